import { Disturbances } from './disturbances.ts';
import type { Random } from './random.ts';
import { type Ending, type KnownSecret, type Span, Versions } from './truth.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** Secrets that ended and are still asked for. */
const MAX_ENDED = 2_000;
const MAX_RECENT = 50;

/** A key that the run may change. */
export interface KnownKey {
  id: string;
  /** Its newest secret. */
  secret: KnownSecret;
  /** Every secret that may still be valid. */
  secrets: KnownSecret[];
}

/** What the oracle knows of the fleet. */
export class World {
  readonly disturbances = new Disturbances();
  readonly organizationId: string;
  /** Number in the descriptor of the custom role that every key has. */
  readonly role = new Versions(0);
  /** Keys that are not revoked. */
  readonly keys = new Map<string, KnownKey>();
  /** Keys whose revocation is requested and not acknowledged. */
  readonly unfinished = new Map<string, Ending>();
  readonly #ended: KnownSecret[] = [];
  readonly #recent: KnownSecret[] = [];

  constructor(organizationId: string) {
    this.organizationId = organizationId;
  }

  created(id: string, authorization: string, validFrom: Span, expiresAtMs: number): void {
    const secret: KnownSecret = { keyId: id, authorization, validFrom, endings: [], expiresAtMs };
    this.keys.set(id, { id, secret, secrets: [secret] });
    this.#noteRecent(secret);
  }

  /** A revocation is requested now. @returns notes that it succeeded */
  revoking(key: KnownKey): () => void {
    const change = { invokedMs: Date.now(), acknowledgedMs: NEVER };
    const ending = { change, graceMs: 0 };
    for (const secret of key.secrets) this.#end(secret, ending);
    this.keys.delete(key.id);
    this.unfinished.set(key.id, ending);
    return () => {
      change.acknowledgedMs = Date.now();
      this.unfinished.delete(key.id);
    };
  }

  /** A rotation is requested now. @returns notes its new credential, or `undefined` if its outcome is not known */
  rotating(key: KnownKey, graceMs: number): (authorization: string | undefined) => void {
    const change = { invokedMs: Date.now(), acknowledgedMs: NEVER };
    // A rotation keeps one former secret.
    for (const secret of key.secrets)
      this.#end(secret, { change, graceMs: secret === key.secret ? graceMs : 0 });
    return (authorization) => {
      if (authorization === undefined) {
        this.keys.delete(key.id);
        return;
      }
      change.acknowledgedMs = Date.now();
      const { expiresAtMs = NEVER } = key.secret;
      const secret: KnownSecret = {
        keyId: key.id,
        authorization,
        validFrom: change,
        endings: [],
        expiresAtMs,
      };
      key.secrets = [secret, key.secret];
      key.secret = secret;
      this.#noteRecent(secret);
    };
  }

  /** Changes that were acknowledged or requested since `sinceMs` may be lost: forgets the keys that they concern. */
  loseChangesSince(sinceMs: number): void {
    const isTouched = ({ validFrom, endings }: KnownSecret) =>
      [validFrom, ...endings.map(({ change }) => change)].some(
        ({ acknowledgedMs }) => acknowledgedMs >= sinceMs,
      );
    for (const [id, key] of this.keys) {
      if (!key.secrets.some(isTouched)) continue;
      this.keys.delete(id);
      for (const secret of key.secrets) secret.isUncertain = true;
    }
    for (const list of [this.#ended, this.#recent]) {
      for (const secret of list) if (isTouched(secret)) secret.isUncertain = true;
      const certain = list.filter(({ isUncertain }) => isUncertain !== true);
      list.splice(0, list.length, ...certain);
    }
    this.unfinished.clear();
    this.role.makeUncertain();
  }

  /** A key that is not revoked and has not expired. */
  liveKey(random: Random): KnownKey | undefined {
    const nowMs = Date.now();
    for (const [id, { secret }] of this.keys) {
      if ((secret.expiresAtMs ?? NEVER) > nowMs) continue;
      this.keys.delete(id);
      this.#noteEnded(secret);
    }
    return this.keys.size === 0 ? undefined : random.pick([...this.keys.values()]);
  }

  endedSecret(random: Random): KnownSecret | undefined {
    return this.#ended.length === 0 ? undefined : random.pick(this.#ended);
  }

  recentSecret(random: Random): KnownSecret | undefined {
    return this.#recent.length === 0 ? undefined : random.pick(this.#recent);
  }

  /** Every secret that is known to be alive or to have ended. */
  get allSecrets(): readonly KnownSecret[] {
    return [...[...this.keys.values()].map(({ secret }) => secret), ...this.#ended];
  }

  #end(secret: KnownSecret, ending: Ending): void {
    if (secret.endings.length === 0) this.#noteEnded(secret);
    secret.endings.push(ending);
    this.#noteRecent(secret);
  }

  #noteEnded(secret: KnownSecret): void {
    this.#ended.push(secret);
    if (this.#ended.length > MAX_ENDED) this.#ended.shift();
  }

  #noteRecent(secret: KnownSecret): void {
    this.#recent.push(secret);
    if (this.#recent.length > MAX_RECENT) this.#recent.shift();
  }
}
