import type { Logger } from 'pino';
import type { Queries } from '../database.ts';
import type { ControlPlaneMetrics } from '../metrics.ts';
import { claimDeliveries, markDelivered, takeDueNotices } from './notices.ts';
import { postNotice, type Webhook } from './webhook.ts';

const DELIVERIES_AT_A_TIME = 20;
/** Between looks for deliveries that failed; looking for new warnings is rarer. */
const DELIVERY_INTERVAL_MS = 15_000;

/** What the watch stands on. */
export interface ExpiryWatchDeps {
  database: Queries;
  logger: Logger;
  metrics: Pick<ControlPlaneMetrics, 'expiryNotices' | 'webhookDeliveries'>;
  now: () => number;
  checkIntervalMs: number;
  /** Left out: log and metric only. */
  webhook?: Webhook | undefined;
}

/**
 * Looks from time to time for keys that expire soon. Each warning is given once in all instances together: a log
 * line, a count, and a post to the webhook that is repeated until it is taken.
 */
export class ExpiryWatch {
  readonly #deps: ExpiryWatchDeps;
  readonly #timers = new Set<NodeJS.Timeout>();
  #work: Promise<void> = Promise.resolve();

  constructor(deps: ExpiryWatchDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { checkIntervalMs, webhook } = this.#deps;
    const look = () => this.#enqueue(() => this.check());
    look();
    this.#timers.add(setInterval(look, checkIntervalMs));
    if (webhook === undefined) return;
    const deliver = () => this.#enqueue(() => this.#deliver(webhook));
    this.#timers.add(setInterval(deliver, Math.min(DELIVERY_INTERVAL_MS, checkIntervalMs)));
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
    await this.#work;
  }

  /** One look: gives the warnings that became due, then delivers what is to be delivered. */
  async check(): Promise<void> {
    const { database, logger, metrics, now, webhook } = this.#deps;
    for (const notice of await takeDueNotices(database, now())) {
      metrics.expiryNotices.inc({ days: String(notice.days_ahead) });
      logger.warn(
        {
          event: { action: 'api_key.expiring', kind: 'alert' },
          organization: { id: notice.organization_id },
          api_key: { id: notice.key_id, expiration_date: notice.expires_at.toISOString() },
        },
        `an API key expires within ${notice.days_ahead} days`,
      );
    }
    if (webhook !== undefined) await this.#deliver(webhook);
  }

  async #deliver(webhook: Webhook): Promise<void> {
    const { database, logger, metrics, now } = this.#deps;
    for (const notice of await claimDeliveries(database, now(), DELIVERIES_AT_A_TIME)) {
      try {
        await postNotice(webhook, notice, now());
        await markDelivered(database, notice.id, now());
        metrics.webhookDeliveries.inc({ outcome: 'success' });
      } catch (error) {
        metrics.webhookDeliveries.inc({ outcome: 'failure' });
        logger.warn({ err: error, notice: notice.id }, 'a warning was not delivered; it will be tried again');
      }
    }
  }

  /** One after another, and never an unhandled rejection: the next look comes anyway. */
  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      this.#deps.logger.error({ err: error }, 'looking for keys that expire soon failed');
    });
  }
}
