import { DatabaseError } from 'pg';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { StoreUnavailableError } from '../../../src/keys/key-store.ts';
import { RepeatedTask } from '../../../src/lib/repeated-task.ts';

/** Fails with the next of its errors at each turn, once per second, and succeeds when none is left. */
class FailingTask extends RepeatedTask {
  errors: Error[] = [];

  constructor(lines: string[]) {
    super({
      intervalMs: 1_000,
      logger: pino({}, { write: (line) => void lines.push(line) }),
      messages: { failed: 'failed', recovered: 'recovered' },
    });
  }

  protected override async turn(): Promise<void> {
    const error = this.errors.shift();
    if (error !== undefined) throw error;
  }
}

let lines: string[];
let task: FailingTask;
beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  task = new FailingTask(lines);
  task.start();
});
afterEach(async () => {
  await task.stop();
  vi.useRealTimers();
});

const times = (count: number, error: (n: number) => Error) =>
  Array.from({ length: count }, (_, n) => error(n));
async function failWith(errors: Error[]): Promise<void> {
  task.errors = errors;
  await vi.advanceTimersByTimeAsync(errors.length * 1_000);
}
const logged = () => lines.map((line) => JSON.parse(line)).map(({ msg, err }) => err?.message ?? msg);

it('logs a later cause of an outage with its hint, not only the lost connection', async () => {
  const cause = Object.assign(new DatabaseError('the caller knows epoch 3', 1, 'error'), {
    hint: 'If the primary was restored: docs/failover.md',
  });
  await failWith([
    ...times(2, () => new Error('connection lost')),
    ...times(10, () => new StoreUnavailableError('Postgres', cause)),
  ]);
  expect(logged()).toEqual(['connection lost', expect.stringContaining('the caller knows epoch 3')]);
  expect(lines.map((line) => JSON.parse(line).hint)).toEqual([undefined, cause.hint]);
});

it('logs an outage that lasts once a minute, its end once, and the next one at once', async () => {
  await failWith(times(150, () => new Error('refused')));
  expect(logged()).toEqual(['refused', 'refused', 'refused']);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(logged().slice(3)).toEqual(['recovered']);
  await failWith([new Error('refused')]);
  expect(logged().slice(4)).toEqual(['refused']);
  expect(task.failures).toBe(151);
});

it('does not fill the log with messages that alternate, or differ every time', async () => {
  await failWith(times(60, (n) => new Error(n % 2 === 0 ? 'refused' : 'timeout')));
  expect(logged()).toEqual(['refused', 'timeout']);
  await failWith(times(60, (n) => new Error(`port ${n}`)));
  expect(logged().length).toBeLessThanOrEqual(2 + 12);
});
