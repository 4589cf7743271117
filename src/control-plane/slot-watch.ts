import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import { type ReplicationSlots, readReplicationSlots } from '../database/replication-slots.ts';
import type { Queries } from './database.ts';

const INTERVAL_MS = 10_000;

/**
 * Reads the replication slots of the primary every ten seconds, so that a scrape never waits for the primary. While the primary
 * does not respond, the values are unknown and their series are missing.
 */
export class SlotWatch {
  readonly #database: Pick<Queries, 'query'>;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  /** What the last report of each condition named. */
  readonly #reported = new Map<string, string>();
  /** As last read. A region without its slot does not appear on the primary, so only a slot that was there can be missed. */
  #known: ReplicationSlots['slots'] = [];
  /** The last reading; `undefined` if it failed. */
  current: ReplicationSlots | undefined;

  constructor(database: Pick<Queries, 'query'>, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  start(): void {
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#work;
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#work = this.#read();
    }, delayMs);
  }

  async #read(): Promise<void> {
    try {
      const before = this.#known;
      this.current = await readReplicationSlots((text) => this.#database.query(text));
      this.#known = this.current.slots;
      this.#report(this.current, before);
    } catch {
      // The heartbeat logs that the primary does not respond.
      this.current = undefined;
    }
    if (this.#timer !== undefined) this.#schedule(INTERVAL_MS);
  }

  #report({ slots, missingStandbySlots }: ReplicationSlots, before: ReplicationSlots['slots']): void {
    this.#reportChange('missing', missingStandbySlots, {
      problem:
        'regions receive nothing: no standby uses a slot of synchronized_standby_slots (docs/failover.md)',
      end: 'all slots of synchronized_standby_slots are in use again',
    });
    // A loss of up to 64 MB is repaired by the next epoch, usually within seconds.
    this.#reportChange('ahead', namesOf(slots.filter(({ aheadBytes }) => aheadBytes > 0)), {
      problem:
        'regions have applied changes that this primary lacks, and receive nothing until the primary\'s WAL is as long again; if it lasts longer than a minute, run "iam region resync" for each (docs/failover.md)',
      end: 'regions receive again: no slot is ahead of the WAL of the primary',
    });
    this.#reportChange('lost', namesOf(slots.filter(({ usable }) => !usable)), {
      problem:
        'slots have lost WAL that their regions need, so these receive nothing; run "iam region resync" for each region (docs/operations.md, Replication)',
      end: 'no slot lacks WAL that its region needs',
    });
    const gone = namesOf(before).filter((name) => !namesOf(slots).includes(name));
    if (gone.length > 0)
      this.#logger.error(
        { slots: gone.join(', ') },
        'replication slots were dropped, so their regions receive nothing; unless "iam region remove" or an administrator removed the region or standby on purpose, run "iam region resync"',
      );
  }

  /** Logs a condition when the names that it concerns change, not at each reading. */
  #reportChange(condition: string, names: readonly string[], texts: { problem: string; end: string }): void {
    const list = names.join(', ');
    if (list === (this.#reported.get(condition) ?? '')) return;
    this.#reported.set(condition, list);
    if (list === '') this.#logger.info(texts.end);
    else this.#logger.error({ slots: list }, texts.problem);
  }
}

const namesOf = (slots: ReplicationSlots['slots']) => slots.map(({ name }) => name);

/** Registers the metrics of the primary's replication slots. */
export function registerSlotMetrics(registry: Registry, watch: Pick<SlotWatch, 'current'>): void {
  const registers = [registry];
  const ofSlots = (name: string, help: string, value: (slot: ReplicationSlots['slots'][number]) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['slot'] as const,
      registers,
      collect() {
        this.reset();
        for (const slot of watch.current?.slots ?? []) this.set({ slot: slot.name }, value(slot));
      },
    });
  ofSlots(
    'iam_slot_retained_bytes',
    'WAL that the primary keeps for a replication slot of a region or a standby.',
    ({ retainedBytes }) => retainedBytes,
  );
  ofSlots(
    'iam_slot_ahead_bytes',
    'WAL that a region has applied and the primary lacks. Unless it is 0, the region receives nothing.',
    ({ aheadBytes }) => aheadBytes,
  );
  ofSlots('iam_slot_usable', '0 if a replication slot has lost WAL that it needs, else 1.', ({ usable }) =>
    Number(usable),
  );
  new Gauge({
    name: 'iam_standby_slots_missing',
    help: 'Slots of synchronized_standby_slots that no standby uses. Unless it is 0, regions receive nothing.',
    registers,
    collect() {
      this.set(watch.current?.missingStandbySlots.length ?? Number.NaN);
    },
  });
}
