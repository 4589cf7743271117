import type { Logger } from 'pino';
import type { Queries } from '../database.ts';
import type { ControlPlaneMetrics } from '../metrics.ts';
import { claimDeliveries, claimDueNotices, markDelivered } from './notices.ts';
import { sendNotice, type Webhook } from './webhook.ts';

const DELIVERY_BATCH_SIZE = 20;
/** Interval between retries of failed deliveries. */
const DELIVERY_INTERVAL_MS = 15_000;

export interface ExpiryWatchDeps {
  database: Queries;
  logger: Logger;
  metrics: Pick<ControlPlaneMetrics, 'expiryNotices' | 'webhookDeliveries'>;
  now: () => number;
  checkIntervalMs: number;
  /** Without a webhook, notices are only logged and counted. */
  webhook?: Webhook | undefined;
}

/**
 * Checks periodically for keys that expire soon. All instances together issue each notice once: a log line, a metric, and a
 * webhook delivery with retries.
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
    const check = () => this.#enqueue(() => this.check());
    check();
    this.#timers.add(setInterval(check, checkIntervalMs));
    if (webhook === undefined) return;
    const deliver = () => this.#enqueue(() => this.#deliver(webhook));
    this.#timers.add(setInterval(deliver, Math.min(DELIVERY_INTERVAL_MS, checkIntervalMs)));
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
    await this.#work;
  }

  /** Issues the due notices, then attempts all due deliveries. */
  async check(): Promise<void> {
    const { database, logger, metrics, now, webhook } = this.#deps;
    for (const notice of await claimDueNotices(database, now())) {
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
    for (const notice of await claimDeliveries(database, now(), DELIVERY_BATCH_SIZE)) {
      try {
        await sendNotice(webhook, notice, now());
        await markDelivered(database, notice.id, now());
        metrics.webhookDeliveries.inc({ outcome: 'success' });
      } catch (error) {
        metrics.webhookDeliveries.inc({ outcome: 'failure' });
        logger.warn(
          { err: error, notice: notice.id },
          'delivery of an expiry notice failed and will be retried',
        );
      }
    }
  }

  /** Runs checks and deliveries one after another. A failure is only logged: the next interval retries. */
  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      this.#deps.logger.error({ err: error }, 'the check for expiring keys failed');
    });
  }
}
