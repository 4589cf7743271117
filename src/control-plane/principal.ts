/** Who makes a change, as the audit trail records it. */
export interface Actor {
  /** `key`: a unified API key. `cli`: an operator with database access. `client`: a service with a client secret. */
  type: 'key' | 'cli' | 'client' | 'system';
  /** Key id, operating system user name, or service name. */
  id: string;
  sourceIp?: string | undefined;
  requestId?: string | undefined;
}

/** On whose behalf a change is made. */
export interface Principal {
  actor: Actor;
  organizationId: string;
  /** Stored as the creator of new keys; it outlives the credential of the request. */
  userId: string;
  /**
   * The caller's key. Its permissions are checked again inside the transaction of the change, so a key that was revoked meanwhile
   * cannot change anything. Absent for operators: database access is sufficient.
   */
  keyId?: string | undefined;
}
