import type { Logger } from 'pino';
import { FORWARDING_SECRET_HEADER } from '../http/forwarding-headers.ts';
import { REPAIRS_PATH } from '../http/repair-call.ts';
import type { Replica } from '../keys/replica.ts';
import { LogLimiter } from '../lib/log-limiter.ts';
import { RepeatedTask } from '../lib/repeated-task.ts';
import type { RegionControlPlane } from './control-plane.ts';
import { callControlPlane } from './control-plane-call.ts';

const INTERVAL_MS = 2_000;
const TIMEOUT_MS = 5_000;
const LOG_INTERVAL_MS = 60_000;

export interface RepairRequestsDeps {
  replica: Replica;
  /** How many buckets differ from the primary, as last measured; `undefined` if that is not known. */
  divergedBuckets: () => number | undefined;
  /** `undefined` if this region has no control plane, or no secret for it. */
  controlPlane: RegionControlPlane | undefined;
  logger: Logger;
}

/**
 * Asks the control plane for the rows of buckets that differ from the primary, until none differs (docs/adr/0016). Every pod of a
 * region asks: the control plane counts a bucket once.
 */
export class RepairRequests extends RepeatedTask {
  readonly #deps: RepairRequestsDeps;
  /** Buckets may differ again and again for a moment. */
  readonly #limiter = new LogLimiter(Date.now, LOG_INTERVAL_MS);
  #differs = false;

  constructor(deps: RepairRequestsDeps) {
    super({
      intervalMs: INTERVAL_MS,
      logger: deps.logger,
      messages: {
        failed: 'the repair of buckets that differ from the primary could not be requested',
        recovered: 'the repair of buckets that differ from the primary is requested again',
      },
    });
    this.#deps = deps;
  }

  protected async turn(): Promise<void> {
    const { replica, divergedBuckets, controlPlane } = this.#deps;
    const buckets = divergedBuckets() ?? 0;
    const differed = this.#differs;
    this.#differs = buckets > 0;
    if (!this.#differs) return;
    if (!differed) this.#logStart(buckets);
    if (controlPlane === undefined) return;
    const rows = await replica.query<{ kind: string; buckets: number[] }>({
      text: "SELECT kind, array_agg(bucket::int) AS buckets FROM compared_buckets WHERE state = 'diverged' GROUP BY kind",
    });
    await post(controlPlane, Object.fromEntries(rows.map((row) => [row.kind, row.buckets])));
  }

  #logStart(buckets: number): void {
    const { controlPlane, logger } = this.#deps;
    const suppressed = this.#limiter.admit('start');
    if (suppressed === undefined) return;
    if (controlPlane !== undefined) {
      logger.info(
        { buckets, suppressed },
        'the control plane is asked to repair the buckets that differ from the primary',
      );
    } else {
      logger.error(
        { buckets, suppressed },
        'buckets that differ from the primary are not repaired: set CONTROL_PLANE_URL and FORWARDING_SECRETS, or run iam region resync',
      );
    }
  }
}

/** @throws {Error} if the control plane does not respond with 200 in time; it never contains the secret */
async function post(controlPlane: RegionControlPlane, body: unknown): Promise<void> {
  const status = await callControlPlane(controlPlane, {
    method: 'POST',
    path: REPAIRS_PATH,
    headers: { 'content-type': 'application/json', [FORWARDING_SECRET_HEADER]: controlPlane.secret() },
    body: JSON.stringify(body),
    timeoutMs: TIMEOUT_MS,
  });
  if (status !== 200) throw new Error(`the control plane responded with status ${status}`);
}
