import type { AuditEvent } from './audit-event.ts';

const WINDOW_MS = 60_000;
const MAX_WINDOWS = 10_000;
/** Targets that an event for several refusals lists. */
const MAX_TARGETS = 20;

interface Window {
  endsAtMs: number;
  last: AuditEvent;
  count: number;
  targets: Set<string>;
}

export interface RefusalCounterDeps {
  write: (event: AuditEvent) => Promise<void>;
  now: () => number;
  /** Receives the failure of a write. The refusal itself does not depend on it. */
  onWriteFailed: (error: unknown) => void;
}

/**
 * Bounds the audit events of refusals. The first refusal of a kind is an event at once. Further ones are counted, and
 * become one event per minute. A kind is an actor with an action and a reason, so one key cannot fill the table by varying
 * the target.
 */
export class RefusalCounter {
  readonly #deps: RefusalCounterDeps;
  /** In the order of their ends, since all windows are equally long. */
  readonly #windows = new Map<string, Window>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: RefusalCounterDeps) {
    this.#deps = deps;
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
    const kind = kindOf(event);
    const window = this.#windows.get(kind);
    if (window === undefined) {
      this.#open(kind, event);
      await this.#deps.write(event).catch(this.#deps.onWriteFailed);
      return;
    }
    window.count += 1;
    window.last = event;
    if (event.targetId !== undefined && window.targets.size < MAX_TARGETS) window.targets.add(event.targetId);
  }

  /** Writes the counts of the windows that have ended. A kind without further refusals is forgotten. */
  async writeEnded(): Promise<void> {
    const nowMs = this.#deps.now();
    const ended: [string, Window][] = [];
    for (const [kind, window] of this.#windows) {
      if (window.endsAtMs > nowMs) break;
      ended.push([kind, window]);
    }
    for (const [kind, { last, count }] of ended) {
      this.#windows.delete(kind);
      if (count > 0) this.#open(kind, last);
    }
    await this.#write(ended.map(([, window]) => window));
  }

  #open(kind: string, last: AuditEvent): void {
    if (this.#windows.size >= MAX_WINDOWS) {
      const [oldest] = this.#windows;
      if (oldest !== undefined) {
        this.#windows.delete(oldest[0]);
        void this.#write([oldest[1]]);
      }
    }
    const endsAtMs = this.#deps.now() + WINDOW_MS;
    this.#windows.set(kind, { endsAtMs, last, count: 0, targets: new Set() });
  }

  async #write(windows: readonly Window[]): Promise<void> {
    for (const { last, count, targets } of windows) {
      if (count === 0) continue;
      const several = targets.size > 1 && { targetId: undefined, requested: { targets: [...targets] } };
      await this.#deps.write({ ...last, ...several, count }).catch(this.#deps.onWriteFailed);
    }
  }
}

function kindOf({ organizationId, actor, action, reason }: AuditEvent): string {
  return JSON.stringify([organizationId, actor.type, actor.id, action, reason]);
}
