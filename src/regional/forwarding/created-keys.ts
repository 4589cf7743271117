import type { FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import type { KeyArrival } from '../../keys/key-arrival.ts';
import { LogLimiter } from '../../lib/log-limiter.ts';

/** How long the response to a call that creates keys waits for the keys to reach this region. */
const ARRIVAL_TIMEOUT_MS = 1_000;
const MAX_LOGGED_IDS = 10;
const WARNING_HEADER = 'x-iam-warning';

/** Elasticsearch uses a granted key at once, in the same region: the response to its creation waits until the replica has it. */
export class CreatedKeys {
  readonly #arrival: KeyArrival;
  readonly #logger: Pick<Logger, 'warn'>;
  readonly #limiter = new LogLimiter(Date.now);

  constructor(arrival: KeyArrival, logger: Pick<Logger, 'warn'>) {
    this.#arrival = arrival;
    this.#logger = logger;
  }

  /** Waits until the region has the keys of a response; after a second it adds a warning to the reply instead. */
  async wait(reply: FastifyReply, body: Buffer): Promise<void> {
    const ids = createdIds(body.toString());
    if (ids.length === 0 || (await this.#arrival.wait(ids, ARRIVAL_TIMEOUT_MS))) return;
    reply.header(WARNING_HEADER, 'a created key has not reached this region yet');
    const suppressed = this.#limiter.admit('late');
    if (suppressed === undefined) return;
    this.#logger.warn(
      { keys: ids.slice(0, MAX_LOGGED_IDS), suppressed },
      'keys have not reached this region a second after their creation; check the subscription and iam_heartbeat_age_seconds',
    );
  }
}

/** Ids in a response of `_grant` or `_convert`. */
function createdIds(body: string): string[] {
  const { id, results = [] } = JSON.parse(body) as { id?: string; results?: { id?: string }[] };
  return [id, ...results.map((result) => result.id)].filter((created) => created !== undefined);
}
