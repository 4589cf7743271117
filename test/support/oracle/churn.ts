import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from './fleet.ts';
import type { Random } from './random.ts';
import { PROJECT, ROLE } from './traffic.ts';
import type { World } from './world.ts';

/** The run keeps about so many keys alive. */
const TARGET_KEYS = 300;
const TIMEOUT_MS = 8_000;
const PATH = '/api/v1/users/auth/keys';

const ASSIGNMENTS = {
  project: {
    elasticsearch: [
      {
        role_id: 'elasticsearch-application-only',
        all: false,
        project_ids: [PROJECT],
        application_roles: ['viewer', ROLE],
      },
    ],
  },
};

/** Creates, rotates and revokes keys and changes their role over the API of the control plane. */
export class Churn {
  readonly #options: { fleet: Fleet; world: World; random: Random; owner: string };
  readonly #workers: Promise<void>[] = [];
  #stopped = false;
  #isPaused = false;
  #inFlight = 0;
  #role = 0;
  /** Of one change at a time: an older change must not overtake a newer one. */
  #roleChange: Promise<void> = Promise.resolve();
  /** Acknowledged changes. */
  changes = 0;

  constructor(options: { fleet: Fleet; world: World; random: Random; owner: string }) {
    this.#options = options;
  }

  /** Writes the role and the first keys. @throws Error if one of them fails */
  async populate(): Promise<void> {
    if (!(await this.#putRole())) throw new Error('The role could not be written.');
    for (let n = 0; n < TARGET_KEYS; n += 10)
      await Promise.all(Array.from({ length: 10 }, () => this.#create()));
    if (this.#options.world.keys.size < TARGET_KEYS) throw new Error('The first keys could not be created.');
  }

  start(workers: number, pauseMs: number): void {
    for (let n = 0; n < workers; n += 1) this.#workers.push(this.#work(pauseMs));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  /** Runs `work` while no change is in flight. */
  async paused<T>(work: () => Promise<T>): Promise<T> {
    this.#isPaused = true;
    while (this.#inFlight > 0) await sleep(10);
    try {
      return await work();
    } finally {
      this.#isPaused = false;
    }
  }

  /** Repeats revocations that were not acknowledged. @returns whether none is left */
  async finish(): Promise<boolean> {
    const { world } = this.#options;
    for (const [id, ending] of world.unfinished) {
      if ((await this.#call('DELETE', `${PATH}/${id}`)) === undefined) continue;
      ending.change.acknowledgedMs = Date.now();
      world.unfinished.delete(id);
    }
    return world.unfinished.size === 0;
  }

  /** Writes the role again, until that succeeds. */
  async settleRole(): Promise<void> {
    while (!(await this.#putRole())) await sleep(500);
  }

  async #work(pauseMs: number): Promise<void> {
    while (!this.#stopped) {
      await sleep(pauseMs);
      if (this.#isPaused) continue;
      this.#inFlight += 1;
      try {
        await this.#change();
      } finally {
        this.#inFlight -= 1;
      }
    }
  }

  async #change(): Promise<void> {
    const { world, random } = this.#options;
    const choice = random.next();
    if (choice < 0.1) {
      this.#roleChange = this.#roleChange.then(async () => void (await this.#putRole()));
      return this.#roleChange;
    }
    if (choice < 0.15) return void (await this.finish());
    const key = world.liveKey(random);
    if (key === undefined || (choice < 0.6 && world.keys.size < TARGET_KEYS + 50)) return this.#create();
    if (choice < 0.8) {
      const acknowledge = world.revoking(key);
      if ((await this.#call('DELETE', `${PATH}/${key.id}`)) !== undefined) acknowledge();
      return;
    }
    const graceSeconds = random.pick([0, 0, 3, 10]);
    const acknowledge = world.rotating(key, graceSeconds * 1_000);
    const rotated = await this.#call('POST', `${PATH}/${key.id}/_rotate`, {
      grace_period: graceSeconds === 0 ? '0' : `${graceSeconds}s`,
    });
    acknowledge(rotated === undefined ? undefined : `ApiKey ${rotated.key}`);
  }

  async #create(): Promise<void> {
    const { world, random } = this.#options;
    const invokedMs = Date.now();
    const created = await this.#call('POST', PATH, {
      description: 'oracle',
      expiration: random.next() < 0.1 ? `${random.integer(3, 30)}s` : '1d',
      role_assignments: ASSIGNMENTS,
    });
    if (created === undefined) return;
    world.created(
      created.id as string,
      `ApiKey ${created.key}`,
      { invokedMs, acknowledgedMs: Date.now() },
      Date.parse(created.expiration_date as string),
    );
  }

  async #putRole(): Promise<boolean> {
    const { world } = this.#options;
    this.#role += 1;
    const acknowledge = world.role.write(this.#role);
    const put = await this.#call('PUT', `/api/v1/projects/elasticsearch/${PROJECT}/roles/${ROLE}`, {
      indices: [{ names: [`number-${this.#role}`], privileges: ['read'] }],
    });
    if (put !== undefined) acknowledge();
    return put !== undefined;
  }

  /** @returns the body of a success, or `undefined` if the outcome is not known */
  async #call(method: string, path: string, body?: unknown): Promise<Record<string, unknown> | undefined> {
    const { fleet, owner } = this.#options;
    try {
      const response = await fetch(`${fleet.controlPlane.current.url}${path}`, {
        method,
        headers: { authorization: owner, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await response.text();
      if (!response.ok) return undefined;
      this.changes += 1;
      return text === '' ? {} : JSON.parse(text);
    } catch {
      return undefined;
    }
  }
}
