import { createHash } from 'node:crypto';
import { RateWindow } from '../../lib/rate-window.ts';
import type { AuditEvent } from './audit-event.ts';

const WINDOW_MS = 60_000;
const MAX_WINDOWS = 10_000;
/** Different refusals of a kind per window that have events of their own. */
const MAX_SEPARATE = 20;
/** Targets that the event for all other refusals of a kind lists. */
const MAX_TARGETS = 1_000;

interface Window {
  endsAtMs: number;
  last: AuditEvent;
  /** Refusals that no event stands for yet. */
  count: number;
  /** For a window of different refusals: their targets, and how many more there were. */
  others?: { targets: Set<string>; omitted: number };
}

export interface RefusalCounterDeps {
  write: (event: AuditEvent) => Promise<void>;
  now: () => number;
  /** Receives the failure of a write. The refusal itself does not depend on it. */
  onWriteFailed: (error: unknown) => void;
}

/**
 * Bounds the audit events of refusals. A refusal is an event at once; equal ones are counted, and become one event per minute.
 * Equal refusals have the same actor, action, reason, target, address and request.
 *
 * One key could fill the table by varying the target or the request. So only some different refusals of a kind (actor, action
 * and reason) have events of their own; the others become one event per minute, which lists their targets.
 */
export class RefusalCounter {
  readonly #deps: RefusalCounterDeps;
  /** In the order of their ends, since all windows are equally long. */
  readonly #windows = new Map<string, Window>();
  readonly #separate: RateWindow;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: RefusalCounterDeps) {
    this.#deps = deps;
    this.#separate = new RateWindow({ max: MAX_SEPARATE, windowMs: WINDOW_MS, now: deps.now });
  }

  start(checkIntervalMs = 1_000): void {
    this.#timer = setInterval(() => void this.writeEnded(), checkIntervalMs);
  }

  /** Writes all counts. Call it when no request is in progress. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#write([...this.#windows.values()]);
    this.#windows.clear();
  }

  /** Resolves when the event of a first refusal is written; counts any other. Never rejects. */
  async record(event: AuditEvent): Promise<void> {
    const { kind, exact } = idsOf(event);
    const equal = this.#windows.get(exact);
    if (equal !== undefined) {
      equal.count += 1;
      equal.last = event;
      return;
    }
    if (this.#separate.take(kind) !== undefined) return this.#countOther(kind, event);
    this.#open(exact, { last: event, count: 0 });
    await this.#deps.write(event).catch(this.#deps.onWriteFailed);
  }

  /** Writes the counts of the windows that have ended. A refusal that does not happen again is forgotten. */
  async writeEnded(): Promise<void> {
    const nowMs = this.#deps.now();
    const ended: [string, Window][] = [];
    for (const [id, window] of this.#windows) {
      // One that was opened before the clock went back has ended too.
      const isOpen = window.endsAtMs > nowMs && window.endsAtMs <= nowMs + WINDOW_MS;
      if (isOpen) break;
      ended.push([id, window]);
    }
    for (const [id, { last, count, others }] of ended) {
      this.#windows.delete(id);
      if (count > 0 && others === undefined) this.#open(id, { last, count: 0 });
    }
    await this.#write(ended.map(([, window]) => window));
  }

  #countOther(kind: string, event: AuditEvent): void {
    const window =
      this.#windows.get(kind) ??
      this.#open(kind, { last: event, count: 0, others: { targets: new Set(), omitted: 0 } });
    window.count += 1;
    window.last = event;
    const { others } = window;
    if (others === undefined) return;
    for (const target of targetsOf(event)) {
      if (others.targets.has(target)) continue;
      if (others.targets.size < MAX_TARGETS) others.targets.add(target);
      else others.omitted += 1;
    }
  }

  #open(id: string, fields: Omit<Window, 'endsAtMs'>): Window {
    if (this.#windows.size >= MAX_WINDOWS) {
      const [oldest] = this.#windows;
      if (oldest !== undefined) {
        this.#windows.delete(oldest[0]);
        void this.#write([oldest[1]]);
      }
    }
    const window = { ...fields, endsAtMs: this.#deps.now() + WINDOW_MS };
    this.#windows.set(id, window);
    return window;
  }

  async #write(windows: readonly Window[]): Promise<void> {
    for (const { last, count, others } of windows) {
      if (count === 0) continue;
      const event = others === undefined ? last : summary(last, others);
      await this.#deps.write({ ...event, count }).catch(this.#deps.onWriteFailed);
    }
  }
}

/** The target, or the keys of a bulk revocation. */
function targetsOf({ action, targetId, requested }: AuditEvent): readonly string[] {
  if (targetId !== undefined) return [targetId];
  const { keys } = (requested ?? {}) as { keys?: unknown };
  if (action !== 'api_key.revoke' || !Array.isArray(keys)) return [];
  return keys.filter((key): key is string => typeof key === 'string');
}

/** What different refusals have in common. A target or an address of one of them would hide those of the others. */
function summary(
  { organizationId, actor, action, outcome, targetType, reason }: AuditEvent,
  { targets, omitted }: NonNullable<Window['others']>,
): AuditEvent {
  const { type, id } = actor;
  return {
    organizationId,
    actor: { type, id },
    action,
    outcome,
    targetType,
    reason,
    targets: [...targets],
    targetsOmitted: omitted,
  };
}

function idsOf(event: AuditEvent): { kind: string; exact: string } {
  const { organizationId, actor, action, reason, targetId, requested } = event;
  const kind = [organizationId, actor.type, actor.id, action, reason];
  const exact = [kind, targetId, actor.sourceIp, requested];
  return {
    kind: JSON.stringify(kind),
    exact: createHash('sha256').update(JSON.stringify(exact)).digest('base64'),
  };
}
