import type { Disturbances } from './disturbances.ts';

/** Bound of the difference between the clocks of the test, the servers and the pods that follow them. */
const CLOCK_MS = 250;
const NEVER = Number.POSITIVE_INFINITY;

/** When a change was requested, and when its success was known. It was committed between the two, or never if unknown. */
export interface Span {
  invokedMs: number;
  /** Infinity while the change is not acknowledged. */
  acknowledgedMs: number;
}

/** A change after which a secret is no longer valid. */
export interface Ending {
  change: Span;
  /** How long it stays valid nevertheless: the grace period of a rotation. */
  graceMs: number;
}

/** What the oracle knows of one secret of one key. */
export interface KnownSecret {
  authorization: string;
  keyId: string;
  validFrom: Span;
  /** The secret was replaced, or its key was revoked. */
  readonly endings: Ending[];
  /** As the control plane said. */
  expiresAtMs?: number;
  /** Whether a restore or promotion may have lost a change of it. Then its state is not known. */
  isUncertain?: boolean;
  /** When each pod has first refused it after its end. */
  refusedAtMs?: Map<number, number>;
}

export interface Call {
  pod: number;
  sentMs: number;
  receivedMs: number;
}

export type Outcome = '200' | '401' | '503';

/** The outcomes that the freshness contract allows for a secret in a call. */
export function allowedOutcomes(
  secret: KnownSecret,
  call: Call,
  disturbances: Disturbances,
): ReadonlySet<Outcome> {
  const allowed = new Set<Outcome>();
  const { pod, sentMs, receivedMs } = call;
  if (secret.isUncertain) return new Set(['200', '401', '503']);
  if (!hasEnded(secret, call, disturbances)) allowed.add('200');
  if (!hasArrived(secret.validFrom, call, disturbances) || mayHaveEnded(secret, call)) allowed.add('401');
  if (
    disturbances.excusesUnavailable(pod, sentMs, receivedMs) ||
    // The region cannot know whether a secret that it does not have is a new one.
    (allowed.has('401') && disturbances.excusesUnknownUnavailable(sentMs, receivedMs))
  )
    allowed.add('503');
  return allowed;
}

/** Whether every pod must have applied a change when the call began. */
function hasArrived(change: Span, { pod, sentMs }: Call, disturbances: Disturbances): boolean {
  return change.acknowledgedMs < NEVER && disturbances.appliedBy(change.acknowledgedMs, pod) < sentMs;
}

function mayHaveEnded({ endings, expiresAtMs = NEVER }: KnownSecret, { receivedMs }: Call): boolean {
  if (receivedMs >= expiresAtMs - CLOCK_MS) return true;
  return endings.some((ending) => receivedMs >= earliestEnd(ending));
}

function hasEnded(secret: KnownSecret, call: Call, disturbances: Disturbances): boolean {
  const { endings, refusedAtMs, expiresAtMs = NEVER } = secret;
  if (call.sentMs > expiresAtMs + CLOCK_MS) return true;
  if ((refusedAtMs?.get(call.pod) ?? NEVER) < call.sentMs) return true;
  return endings.some(
    ({ change, graceMs }) =>
      hasArrived(change, call, disturbances) &&
      (graceMs === 0 || call.sentMs > change.acknowledgedMs + graceMs + CLOCK_MS),
  );
}

const earliestEnd = ({ change, graceMs }: Ending) => change.invokedMs + Math.max(0, graceMs - CLOCK_MS);

/** Notes a refusal (401), after which the same pod must not accept the secret again. */
export function noteRefusal(secret: KnownSecret, { pod, sentMs, receivedMs }: Call): void {
  if (!secret.endings.some((ending) => sentMs >= earliestEnd(ending))) return;
  secret.refusedAtMs ??= new Map();
  if (!secret.refusedAtMs.has(pod)) secret.refusedAtMs.set(pod, receivedMs);
}

/** A value that changes: which of its versions a response may show. */
export class Versions<T> {
  readonly #versions: { value: T; written: Span }[];
  /** Earlier versions may have been restored, in any order. */
  #certainFrom = 0;

  constructor(first: T) {
    this.#versions = [{ value: first, written: { invokedMs: 0, acknowledgedMs: 0 } }];
  }

  /** Records a change that is requested now. @returns notes that it succeeded */
  write(value: T): () => void {
    const written = { invokedMs: Date.now(), acknowledgedMs: NEVER };
    this.#versions.push({ value, written });
    return () => {
      written.acknowledgedMs = Date.now();
    };
  }

  /** A restore or promotion may have lost changes: every version may be seen until a later one has arrived. */
  makeUncertain(): void {
    this.#certainFrom = this.#versions.length;
  }

  allows(value: T, call: Call, disturbances: Disturbances): boolean {
    const arrived = this.#versions.findLastIndex(
      ({ written }, index) => index >= this.#certainFrom && hasArrived(written, call, disturbances),
    );
    const possible = arrived === -1 ? this.#versions : this.#versions.slice(arrived);
    return possible.some(
      (version) => version.value === value && version.written.invokedMs <= call.receivedMs,
    );
  }
}
