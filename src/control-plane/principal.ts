/** Who does something, for the record. */
export interface Actor {
  /** `key`: a unified API key. `cli`: an operator at the database. `client`: a service that showed a shared secret. */
  type: 'key' | 'cli' | 'client' | 'system';
  /** Key id, name of the operating system's user, or name of the service. */
  id: string;
  sourceIp?: string | undefined;
  requestId?: string | undefined;
}

/** On whose behalf a change is made. */
export interface Principal {
  actor: Actor;
  organizationId: string;
  /** Written as the creator of what is made: it outlives the credential that was used. */
  userId: string;
  /**
   * The key that asks. Its permissions are looked up again inside the transaction of the change, so that a key revoked
   * meanwhile changes nothing any more. Left out for operators: who can log in to the database is trusted.
   */
  keyId?: string | undefined;
}
