import type { Disturbances } from './disturbances.ts';
import { allowedOutcomes, type Call, type KnownSecret, noteRefusal, type Outcome } from './truth.ts';
import type { World } from './world.ts';

/** What a client sent. */
export type Question =
  | { kind: 'secret'; secret: KnownSecret }
  /** A wrong secret of a key. */
  | { kind: 'wrong'; secret: KnownSecret }
  /** A well-formed credential of an id that never existed. */
  | { kind: 'unknown' }
  /** A credential that cannot be decoded. */
  | { kind: 'malformed' };

/** What a pod answered; `unanswered`: the connection ended first. */
export interface Answer {
  outcome: string;
  /** Status, error code and message, for a report. */
  text: string;
  /** Of a 200: the id of the key, and the number in its role. */
  keyId?: string;
  role?: number;
}

/** Violations that a report shows in full. */
const SHOWN = 20;

/** Checks every answer of a run against what the oracle knows. */
export class Judge {
  readonly #world: World;
  readonly #disturbances: Disturbances;
  checked = 0;
  violations = 0;
  /** Answers by kind of question and outcome. */
  readonly counts: Record<string, number> = {};

  constructor(world: World) {
    this.#world = world;
    this.#disturbances = world.disturbances;
  }

  judge(question: Question, call: Call, answer: Answer): void {
    this.checked += 1;
    const label = `${question.kind} ${answer.outcome}`;
    this.counts[label] = (this.counts[label] ?? 0) + 1;
    const problem = this.#problem(question, call, answer);
    if (question.kind === 'secret' && answer.outcome === '401') noteRefusal(question.secret, call);
    if (problem !== undefined) this.report(problem, question, call, answer);
  }

  report(problem: string, question: Question, call: Call, answer: Answer): void {
    this.violations += 1;
    if (this.violations > SHOWN) return;
    const { pod, sentMs, receivedMs } = call;
    console.log(
      `[violation] ${problem}: pod ${pod} answered ${answer.text} to a ${describe(question, sentMs)} after ${receivedMs - sentMs} ms; faults: ${this.#disturbances.around(sentMs, receivedMs).join('; ') || 'none'}`,
    );
  }

  #problem(question: Question, call: Call, answer: Answer): string | undefined {
    const { pod, sentMs, receivedMs } = call;
    if (answer.outcome === 'unanswered')
      return this.#disturbances.excusesUnanswered(pod, sentMs, receivedMs) ? undefined : 'lost request';
    const allowed = this.#allowed(question, call);
    if (!allowed.has(answer.outcome as Outcome)) {
      if (answer.outcome === '200') return 'wrong acceptance';
      if (answer.outcome === '401') return 'wrong refusal';
      return `${answer.outcome} that nothing excuses`;
    }
    if (question.kind !== 'secret' || answer.outcome !== '200') return undefined;
    if (answer.keyId !== question.secret.keyId) return 'answer of another key';
    if (!this.#world.role.allows(answer.role ?? Number.NaN, call, this.#disturbances))
      return `outdated role ${answer.role}`;
    return undefined;
  }

  #allowed(question: Question, call: Call): ReadonlySet<Outcome> {
    if (question.kind === 'malformed') return new Set(['401']);
    if (question.kind === 'secret') return allowedOutcomes(question.secret, call, this.#disturbances);
    const { pod, sentMs, receivedMs } = call;
    const isExcused =
      this.#disturbances.excusesUnavailable(pod, sentMs, receivedMs) ||
      this.#disturbances.excusesUnknownUnavailable(sentMs, receivedMs);
    return new Set(isExcused ? ['401', '503'] : ['401']);
  }
}

function describe(question: Question, sentMs: number): string {
  if (question.kind === 'unknown' || question.kind === 'malformed') return `${question.kind} credential`;
  const { validFrom, endings, expiresAtMs, isUncertain, refusedAtMs } = question.secret;
  const ago = (atMs: number) => (Number.isFinite(atMs) ? `${sentMs - atMs} ms ago` : 'never');
  const span = ({ invokedMs, acknowledgedMs }: { invokedMs: number; acknowledgedMs: number }) =>
    `requested ${ago(invokedMs)}, acknowledged ${ago(acknowledgedMs)}`;
  return [
    `${question.kind === 'wrong' ? 'wrong secret' : 'secret'} of key ${question.secret.keyId} (valid: ${span(validFrom)}`,
    ...endings.map(({ change, graceMs }) => `ended with ${graceMs} ms of grace: ${span(change)}`),
    ...(Number.isFinite(expiresAtMs ?? Number.NaN) ? [`expires ${ago(expiresAtMs as number)}`] : []),
    ...[...(refusedAtMs ?? [])].map(([pod, atMs]) => `refused by pod ${pod} ${ago(atMs)}`),
    `${isUncertain ? 'uncertain' : 'certain'})`,
  ].join('; ');
}
