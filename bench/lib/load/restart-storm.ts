import { Connection } from './connection.ts';

/** Callers that each need one 200, and retry until they have it. */
export interface StormPlan {
  port: number;
  /** The request of each caller. */
  requests: Uint8Array[];
  /** First requests per second. */
  ratePerSecond: number;
  /** Time after which a caller closes its connection. It retries a second later. */
  timeoutMs: number;
  /** End of the storm, even if callers are left. */
  maxSeconds: number;
}

export interface StormResult {
  /** 200s in each second since the first request. */
  granted: number[];
  /** Responses with 503 in each second. */
  shed: number[];
  timeouts: number;
  /** Time of the last 200. */
  seconds: number;
}

const RETRY_AFTER_TIMEOUT_MS = 1_000;

/** Runs a storm in this process. A caller whose request is refused retries after the time in `Retry-After`. */
function runStorm(plan: StormPlan): Promise<StormResult> {
  return new Promise((resolve, reject) => {
    new Storm(plan, resolve, reject).start();
  });
}

class Storm {
  readonly #plan: StormPlan;
  readonly #resolve: (result: StormResult) => void;
  readonly #reject: (error: Error) => void;
  readonly #result: StormResult = { granted: [], shed: [], timeouts: 0, seconds: 0 };
  readonly #idle: Connection[] = [];
  /** The caller and the timer of each request in flight. */
  readonly #inFlight = new Map<Connection, { caller: number; timer: NodeJS.Timeout }>();
  #startedAtMs = 0;
  #left: number;
  #finished = false;

  constructor(plan: StormPlan, resolve: (result: StormResult) => void, reject: (error: Error) => void) {
    this.#plan = plan;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#left = plan.requests.length;
  }

  start(): void {
    this.#startedAtMs = performance.now();
    setTimeout(() => this.#finish(), this.#plan.maxSeconds * 1_000);
    this.#begin(0);
  }

  /** Sends the first requests that are due. */
  #begin(first: number): void {
    if (this.#finished) return;
    const dueCount = Math.floor(((performance.now() - this.#startedAtMs) * this.#plan.ratePerSecond) / 1_000);
    const end = Math.min(dueCount + 1, this.#plan.requests.length);
    for (let caller = first; caller < end; caller += 1) this.#call(caller);
    if (end < this.#plan.requests.length) setTimeout(() => this.#begin(end), 1);
  }

  #call(caller: number): void {
    if (this.#finished) return;
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      this.#send(idle, caller);
      return;
    }
    const connection = new Connection(
      this.#plan.port,
      () => this.#send(connection, caller),
      (_connection, status) => this.#handleResponse(connection, status),
      (error) => this.#handleEnd(connection, error),
    );
  }

  #send(connection: Connection, caller: number): void {
    const timer = setTimeout(() => {
      this.#inFlight.delete(connection);
      connection.destroy();
      this.#result.timeouts += 1;
      setTimeout(() => this.#call(caller), RETRY_AFTER_TIMEOUT_MS);
    }, this.#plan.timeoutMs);
    this.#inFlight.set(connection, { caller, timer });
    connection.send(this.#plan.requests[caller] as Uint8Array);
  }

  #handleResponse(connection: Connection, status: number): void {
    const sent = this.#inFlight.get(connection);
    if (sent === undefined || this.#finished) return;
    clearTimeout(sent.timer);
    this.#inFlight.delete(connection);
    this.#idle.push(connection);
    const seconds = (performance.now() - this.#startedAtMs) / 1_000;
    const counts = status === 200 ? this.#result.granted : this.#result.shed;
    const second = Math.floor(seconds);
    while (counts.length <= second) counts.push(0);
    counts[second] = (counts[second] ?? 0) + 1;
    if (status !== 200) {
      setTimeout(() => this.#call(sent.caller), connection.retryAfterSeconds * 1_000);
      return;
    }
    this.#result.seconds = seconds;
    this.#left -= 1;
    if (this.#left === 0) this.#finish();
  }

  /** The service closes connections that are idle for long. */
  #handleEnd(connection: Connection, error: Error): void {
    const idle = this.#idle.indexOf(connection);
    if (idle >= 0) this.#idle.splice(idle, 1);
    else if (!this.#finished) this.#reject(error);
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    for (const connection of [...this.#idle, ...this.#inFlight.keys()]) connection.destroy();
    this.#resolve(this.#result);
  }
}

/** Entry point of a process: receives plans over IPC and sends the results. */
process.on('message', (plan: StormPlan) => {
  runStorm(plan).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
