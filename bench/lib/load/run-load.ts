import { Connection } from './connection.ts';
import { LatencyRecorder } from './latency-recorder.ts';
import type { LoadPlan, LoadResult } from './plan.ts';

const RAMP_SECONDS = 0.3;

/** Generates load and measures it in this process. Rejects if a connection fails. */
export function runLoad(plan: LoadPlan): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    new Load(plan, resolve, reject).start();
  });
}

class Load {
  readonly #plan: LoadPlan;
  readonly #resolve: (result: LoadResult) => void;
  readonly #reject: (error: Error) => void;
  readonly #connections: Connection[] = [];
  readonly #idle: Connection[] = [];
  readonly #recorder = new LatencyRecorder();
  readonly #statuses: Record<string, number> = {};
  readonly #measureFromMs: number;
  readonly #measureToMs: number;
  /** Open loop: due times of requests that wait for a free connection. */
  readonly #overdue: number[] = [];
  #startedAtMs = 0;
  #cursor = 0;
  #generatorLateMs = 0;
  #finished = false;
  #lastResponseAtMs = 0;
  #responseBytes = 0;

  constructor(plan: LoadPlan, resolve: (result: LoadResult) => void, reject: (error: Error) => void) {
    this.#plan = plan;
    this.#resolve = resolve;
    this.#reject = reject;
    const rampMs = plan.count === undefined ? (plan.rampSeconds ?? RAMP_SECONDS) * 1_000 : 0;
    this.#measureFromMs = rampMs;
    this.#measureToMs =
      plan.count === undefined ? rampMs + (plan.seconds ?? 1) * 1_000 : Number.POSITIVE_INFINITY;
  }

  start(): void {
    const fail = (error: Error) => {
      if (this.#finished) return;
      this.#close();
      this.#reject(error);
    };
    let ready = 0;
    for (let index = 0; index < this.#plan.connections; index += 1) {
      this.#connections.push(
        new Connection(
          this.#plan.port,
          () => {
            ready += 1;
            if (ready === this.#plan.connections) this.#begin();
          },
          (connection, status) => this.#handleResponse(connection, status),
          fail,
        ),
      );
    }
  }

  #begin(): void {
    this.#startedAtMs = performance.now();
    if (this.#plan.ratePerSecond === undefined) {
      for (const connection of this.#connections) this.#send(connection, performance.now());
      return;
    }
    this.#idle.push(...this.#connections);
    this.#tick(1_000 / this.#plan.ratePerSecond, this.#startedAtMs);
  }

  /** Sends the due requests. Latency starts when a request is sent, or at its due time if no connection was free. */
  #tick(intervalMs: number, dueAtMs: number): void {
    if (this.#finished) return;
    let due = dueAtMs;
    for (const now = performance.now(); due <= now; due += intervalMs) {
      this.#generatorLateMs = Math.max(this.#generatorLateMs, now - due);
      const connection = this.#idle.pop();
      if (connection === undefined) this.#overdue.push(due);
      else this.#send(connection, performance.now());
    }
    setTimeout(() => this.#tick(intervalMs, due), Math.max(due - performance.now(), 0));
  }

  #send(connection: Connection, atMs: number): void {
    const { requests, count } = this.#plan;
    if (count !== undefined && this.#cursor >= count) return;
    const request = requests[this.#cursor % requests.length] as Uint8Array;
    this.#cursor += 1;
    connection.sentAtMs = atMs;
    connection.send(request);
  }

  #handleResponse(connection: Connection, status: number): void {
    if (this.#finished) return;
    const now = performance.now();
    const sinceStartMs = now - this.#startedAtMs;
    if (sinceStartMs >= this.#measureToMs) {
      this.#finish();
      return;
    }
    if (sinceStartMs >= this.#measureFromMs) {
      this.#recorder.record(now - connection.sentAtMs);
      this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
      this.#lastResponseAtMs = sinceStartMs;
      this.#responseBytes = connection.responseBytes;
      if (this.#recorder.count === this.#plan.count) {
        this.#finish();
        return;
      }
    }
    if (this.#plan.ratePerSecond === undefined) this.#send(connection, now);
    else {
      const overdue = this.#overdue.shift();
      if (overdue === undefined) this.#idle.push(connection);
      else this.#send(connection, overdue);
    }
  }

  #finish(): void {
    this.#close();
    const endMs = this.#plan.count === undefined ? this.#measureToMs : this.#lastResponseAtMs;
    const seconds = (endMs - this.#measureFromMs) / 1_000;
    const responses = this.#recorder.count;
    this.#resolve({
      responses,
      sent: this.#cursor,
      seconds,
      perSecond: responses / seconds,
      latencyMs: this.#recorder.summary(),
      statuses: this.#statuses,
      responseBytes: this.#responseBytes,
      generatorLateMs: this.#generatorLateMs,
    });
  }

  #close(): void {
    this.#finished = true;
    for (const connection of this.#connections) connection.destroy();
  }
}
