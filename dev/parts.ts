import type { ServerExit } from './child-process.ts';

/** One process of the topology. */
export interface Part {
  /** For messages: `primary Postgres`. */
  name: string;
  pid: number;
  exited: Promise<ServerExit>;
  stop(): Promise<void>;
  /** Parts of a lower stage stop first. */
  stage: number;
  /**
   * What its end means while nobody asked for it. `goes on`: what is left works without it, and seeing that is
   * what the topology is for.
   */
  loss(exit: ServerExit): 'fatal' | 'goes on';
  /** The end of its log, for a person. */
  logTail(): Promise<string>;
}

/** Every process that was started, for watching them and for stopping them in order. */
export class Parts {
  readonly #parts: Part[] = [];
  readonly #say: (line: string) => void;
  readonly #failed = Promise.withResolvers<never>();
  #stopping = false;

  constructor(say: (line: string) => void) {
    this.#say = say;
    this.#failed.promise.catch(() => {}); // nobody may be waiting yet
  }

  /** Rejects when a part is gone that nothing works without. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  add(part: Part): void {
    this.#parts.push(part);
    void part.exited.then((exit) => this.#lost(part, exit));
  }

  async #lost(part: Part, exit: ServerExit): Promise<void> {
    if (this.#stopping) return;
    const how = exit.signal === null ? `exit code ${exit.code}` : exit.signal;
    if (part.loss(exit) === 'goes on') {
      this.#say(`The ${part.name} is gone (${how}). The rest goes on; a restart brings it back.`);
      return;
    }
    const tail = await part.logTail();
    this.#failed.reject(
      new Error(`The ${part.name} ended unexpectedly (${how}). Its last log lines:\n${tail}`),
    );
  }

  /** Stops everything, stage by stage; what is left after `timeoutMs` is killed outright. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    const killing = setTimeout(() => this.#kill(), timeoutMs);
    const stages = [...new Set(this.#parts.map(({ stage }) => stage))].sort((a, b) => a - b);
    for (const stage of stages) {
      await Promise.all(this.#parts.filter((part) => part.stage === stage).map((part) => part.stop()));
    }
    clearTimeout(killing);
  }

  #kill(): void {
    for (const { pid } of this.#parts) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {} // gone already
    }
  }
}
