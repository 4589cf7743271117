import type { ServerExit } from './child-process.ts';

/** One process of the local stack. */
export interface StackProcess {
  /** For messages: `primary Postgres`. */
  name: string;
  pid: number;
  exited: Promise<ServerExit>;
  stop(): Promise<void>;
  /** Processes of a lower stage stop first. */
  stage: number;
  /** Effect of an unexpected exit. `degraded`: the other processes keep working, which the local stack demonstrates. */
  exitEffect(exit: ServerExit): 'fatal' | 'degraded';
  /** Last lines of the log, for an error message. */
  logTail(): Promise<string>;
}

/** Watches every process of the local stack and stops them in order. */
export class ProcessGroup {
  readonly #processes: StackProcess[] = [];
  readonly #say: (line: string) => void;
  readonly #failed = Promise.withResolvers<never>();
  #stopping = false;

  constructor(say: (line: string) => void) {
    this.#say = say;
    this.#failed.promise.catch(() => {}); // avoids an unhandled rejection before the first `await failed`
  }

  /** Rejects when a process exits without which the stack is useless. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  add(process: StackProcess): void {
    this.#processes.push(process);
    void process.exited.then((exit) => this.#handleExit(process, exit));
  }

  async #handleExit(process: StackProcess, exit: ServerExit): Promise<void> {
    if (this.#stopping) return;
    const how = exit.signal === null ? `exit code ${exit.code}` : exit.signal;
    if (process.exitEffect(exit) === 'degraded') {
      this.#say(
        `The ${process.name} exited (${how}). Everything else keeps running; npm start brings it back.`,
      );
      return;
    }
    const tail = await process.logTail();
    this.#failed.reject(
      new Error(`The ${process.name} exited unexpectedly (${how}). Its last log lines:\n${tail}`),
    );
  }

  /** Stops all processes stage by stage; sends SIGKILL to those that still run after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    const killing = setTimeout(() => this.#kill(), timeoutMs);
    const stages = [...new Set(this.#processes.map(({ stage }) => stage))].sort((a, b) => a - b);
    for (const stage of stages) {
      await Promise.all(this.#processes.filter((one) => one.stage === stage).map((one) => one.stop()));
    }
    clearTimeout(killing);
  }

  #kill(): void {
    for (const { pid } of this.#processes) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {} // exited already
    }
  }
}
