import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedVerifier, type VerifierLimits } from '../../../src/keys/bounded-verifier.ts';
import type { KeyRecord } from '../../../src/keys/key-record.ts';
import { type LoadedKey, OverloadedError } from '../../../src/keys/key-store.ts';
import type { SecretMatch } from '../../../src/keys/secret-verifier.ts';

/** A verifier whose comparisons end when the test says so. */
function verifier(limits: VerifierLimits) {
  const running: { secret: string; flight: PromiseWithResolvers<SecretMatch> }[] = [];
  const inner = {
    match: (_held: LoadedKey, secret: string) => {
      const flight = Promise.withResolvers<SecretMatch>();
      running.push({ secret, flight });
      return flight.promise;
    },
  };
  const times: [waitSeconds: number, runSeconds: number][] = [];
  const bounded = new BoundedVerifier(inner, limits, (...pair) => times.push(pair));
  const ask = (id: string, secret: string) => {
    const answer = bounded.match(loaded(id), secret, secret).catch((error: unknown) => error);
    return answer;
  };
  const finishOne = async () => {
    running.shift()?.flight.resolve('current');
    await turn();
  };
  return { bounded, running, times, ask, finishOne, names: () => running.map(({ secret }) => secret) };
}

function loaded(id: string): LoadedKey {
  return { record: { id } as KeyRecord, tier: 'postgres', confirmedAtMs: 0, stale: false, superseded: false };
}

it('no more comparisons run at a time than may, and the others follow', async () => {
  const { ask, names, finishOne, bounded } = verifier({ concurrency: 2, queueLimit: 10 });
  const answers = ['1', '2', '3', '4', '5'].map((secret) => ask(`key-${secret}`, secret));
  expect(names()).toEqual(['1', '2']);
  expect(bounded.load).toEqual({ running: 2, waiting: 3 });
  for (let left = 5; left > 0; left -= 1) await finishOne();
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 5 }, () => 'current'));
  expect(bounded.load).toEqual({ running: 0, waiting: 0 });
});

it('a comparison that fails gives its place on', async () => {
  const { ask, running, names } = verifier({ concurrency: 1, queueLimit: 10 });
  const first = ask('a', '1');
  void ask('b', '2');
  running.shift()?.flight.reject(new Error('broken'));
  expect(await first).toEqual(new Error('broken'));
  await turn();
  expect(names()).toEqual(['2']);
});

it('beyond the queue a comparison is refused at once', async () => {
  const { ask, bounded } = verifier({ concurrency: 1, queueLimit: 2 });
  for (const id of ['a', 'b', 'c']) void ask(id, id);
  expect(await ask('d', 'd')).toBeInstanceOf(OverloadedError);
  expect(bounded.load).toEqual({ running: 1, waiting: 2 });
});

it('with no queue at all only what can run at once is taken', async () => {
  const { ask } = verifier({ concurrency: 1, queueLimit: 0 });
  void ask('a', '1');
  expect(await ask('b', '2')).toBeInstanceOf(OverloadedError);
});

it('a storm against one key does not shut out another: the storm gives up a place for it', async () => {
  const { ask, bounded, names, finishOne } = verifier({ concurrency: 1, queueLimit: 4 });
  const storm = Array.from({ length: 100 }, (_, index) => ask('attacked', `wrong-${index}`));
  expect(bounded.load.waiting).toBe(4);
  const cold = ask('cold', 'right');
  await finishOne();
  expect(names()).toEqual(['wrong-1']);
  await finishOne();
  expect(names()).toEqual(['right']); // ahead of the two of the storm that came before it
  while (bounded.load.running > 0) await finishOne();
  expect(await cold).toBe('current');
  const refused = (await Promise.all(storm)).filter((answer) => answer instanceof OverloadedError);
  expect(refused).toHaveLength(100 - 1 - 3);
});

it('wait and run are told of each comparison, and of none that was refused', async () => {
  const { ask, times, finishOne } = verifier({ concurrency: 1, queueLimit: 1 });
  for (const id of ['a', 'b', 'c']) void ask(id, id);
  await finishOne();
  await finishOne();
  expect(times).toHaveLength(2);
  for (const [waitSeconds, runSeconds] of times) {
    expect(waitSeconds).toBeGreaterThanOrEqual(0);
    expect(runSeconds).toBeGreaterThanOrEqual(0);
  }
});

describe('results that leave together', () => {
  /** As many callers, each with a key of its own, that write down when they are answered. */
  function callers(count: number) {
    const world = verifier({ concurrency: 1, queueLimit: count });
    const answered: string[] = [];
    for (let nth = 0; nth < count; nth += 1) {
      void world.ask(`key-${nth}`, `${nth}`).then(() => answered.push(`${nth}`));
    }
    return { ...world, answered };
  }

  it('while many wait, eight callers are answered at once, in the order of their turns', async () => {
    const { finishOne, answered } = callers(40);
    for (let nth = 0; nth < 7; nth += 1) await finishOne();
    expect(answered).toEqual([]);
    await finishOne();
    expect(answered).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  });

  it('while few wait, nobody is loaded back', async () => {
    const { finishOne, answered } = callers(4);
    for (let nth = 1; nth <= 4; nth += 1) {
      await finishOne();
      expect(answered).toHaveLength(nth);
    }
  });

  it('whatever comes and goes, and whatever fails, nobody is forgotten', async () => {
    const step = fc.constantFrom('ask', 'ask', 'ask', 'finish', 'fail');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 120 }),
        async (concurrency, steps) => {
          const { ask, running, bounded } = verifier({ concurrency, queueLimit: 30 });
          let open = 0;
          for (const [nth, what] of steps.entries()) {
            if (what === 'ask') {
              open += 1;
              void ask(`key-${nth % 5}`, `${nth}`).then(() => {
                open -= 1;
              });
            } else if (what === 'finish') running.shift()?.flight.resolve('current');
            else running.shift()?.flight.reject(new Error('broken'));
            await turn();
          }
          for (; bounded.load.running > 0; await turn()) running.shift()?.flight.resolve('none');
          expect(open).toBe(0);
        },
      ),
    );
  });
});
