import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { figures } from '../figures.ts';
import { outcome } from '../pods.ts';
import { authenticate, projectContext, ready } from '../regional.ts';
import { startShiftedPod } from '../shifted-pod.ts';
import { metricOf } from '../slow-clients.ts';

const MIB = 1_048_576;

/** A key of the victim, which has a role in the project `p1`. */
export interface VictimKey {
  authorization: string;
  organizationId: string;
}

/** What an attack did to another tenant and to the process. */
export interface Damage {
  /** Outcomes of the victim's calls, with their numbers. */
  outcomes: Record<string, number>;
  /** Of calls with a key in memory, in milliseconds. */
  warmP99Ms: number;
  /** Of calls with keys that the pod has not seen, in milliseconds. */
  coldP50Ms: number;
  /** How much more memory the process had at most than before, in MiB. */
  residentMiB: number;
  /** The longest delay of its event loop, in milliseconds. */
  delayMs: number;
  /** Comparisons with argon2, beyond those of the victim. */
  argon2Runs: number;
}

/** A regional service in a process of its own, with a victim that uses it all the time. */
export class AttackedPod {
  readonly url: string;
  readonly #managementUrl: string;
  readonly #pid: number;
  readonly stop: () => Promise<void>;

  private constructor(pod: Awaited<ReturnType<typeof startShiftedPod>>) {
    this.url = pod.url;
    this.#managementUrl = pod.managementUrl;
    this.#pid = pod.pid;
    this.stop = pod.kill;
  }

  static async start(replicaUrl: string, settings: Record<string, string>): Promise<AttackedPod> {
    const pod = await startShiftedPod(0, replicaUrl, {
      // The attack and the victim share the processors with Postgres.
      DATABASE_QUERY_TIMEOUT_MS: '10000',
      ...settings,
    });
    await ready(pod);
    return new AttackedPod(pod);
  }

  /**
   * Runs an attack while the victim calls.
   * @param warm asked all the time
   * @param cold each asked once, until the attack ends
   */
  async during(
    attack: (pod: { url: string }) => Promise<void>,
    warm: VictimKey,
    cold: readonly VictimKey[],
  ): Promise<Damage> {
    await this.#call(warm);
    const before = { resident: await this.#residentBytes(), runs: await this.#argon2Runs() };
    // Each read of the metrics begins a new measurement of the delay.
    await this.#delayMs();
    let attacking = true;
    const outcomes: Record<string, number> = {};
    const warmMs: number[] = [];
    const coldMs: number[] = [];
    const timed = async (key: VictimKey, into: number[]) => {
      const startedAt = performance.now();
      const got = await this.#call(key);
      outcomes[got] = (outcomes[got] ?? 0) + 1;
      into.push(performance.now() - startedAt);
    };
    const callWarm = async () => {
      for (; attacking; await sleep(10)) await timed(warm, warmMs);
    };
    const callCold = async () => {
      for (const key of cold) {
        if (!attacking) return;
        await timed(key, coldMs);
        await sleep(50);
      }
    };
    let peak = before.resident;
    const watch = async () => {
      for (; attacking; await sleep(20)) peak = Math.max(peak, await this.#residentBytes());
    };
    const around = [callWarm(), callCold(), watch()];
    try {
      await attack(this);
    } finally {
      attacking = false;
    }
    await Promise.all(around);
    return {
      outcomes,
      warmP99Ms: Number(figures(warmMs).p99.toFixed(1)),
      coldP50Ms: Number(figures(coldMs).p50.toFixed(1)),
      residentMiB: Math.round((peak - before.resident) / MIB),
      delayMs: Math.round(await this.#delayMs()),
      argon2Runs: (await this.#argon2Runs()) - before.runs - coldMs.length,
    };
  }

  async #call({ authorization, organizationId }: VictimKey): Promise<string> {
    return outcome(
      await authenticate(this, authorization, { contexts: [projectContext('p1', organizationId)] }),
    );
  }

  async #residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024;
  }

  async #delayMs(): Promise<number> {
    return (
      (await metricOf({ managementUrl: this.#managementUrl }, 'nodejs_eventloop_lag_max_seconds')) * 1_000
    );
  }

  async #argon2Runs(): Promise<number> {
    return metricOf({ managementUrl: this.#managementUrl }, 'iam_argon2_run_seconds_count');
  }
}
