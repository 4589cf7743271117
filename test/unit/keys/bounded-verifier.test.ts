import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedVerifier, type VerifierLimits } from '../../../src/keys/bounded-verifier.ts';
import { MemoizedVerifier } from '../../../src/keys/cache/memoized-verifier.ts';
import type { KeyRecord } from '../../../src/keys/key-record.ts';
import { type LoadedKey, OverloadedError } from '../../../src/keys/key-store.ts';
import { MAX_FAILURES_PER_MINUTE } from '../../../src/keys/recent-failures.ts';
import type { SecretMatch } from '../../../src/keys/secret-verifier.ts';
import { keyRecord } from '../../support/records.ts';

const ATTACKER = '198.51.100.7';
const OWNER = '192.0.2.1';

/** A verifier whose comparisons end when the test resolves them. */
function verifier(limits: VerifierLimits) {
  const running: { secret: string; flight: PromiseWithResolvers<SecretMatch> }[] = [];
  const inner = {
    match: (_loaded: LoadedKey, secret: string) => {
      const flight = Promise.withResolvers<SecretMatch>();
      running.push({ secret, flight });
      return flight.promise;
    },
  };
  const times: [waitSeconds: number, runSeconds: number][] = [];
  const bounded = new BoundedVerifier(inner, limits, (...pair) => times.push(pair));
  /** Resolves to the result or to the error. */
  const match = (
    id: string,
    secret: string,
    network = '192.0.2.1',
    organizationId = `org of ${id}`,
    isGone?: () => boolean,
  ) =>
    bounded
      .match(loaded(id, organizationId), secret, secret, network, isGone)
      .catch((error: unknown) => error);
  const finishOne = async (result: SecretMatch = 'current') => {
    running.shift()?.flight.resolve(result);
    await turn();
  };
  /** A comparison that finds a wrong secret. */
  const fail = async (id: string, network: string) => {
    const done = match(id, 'wrong', network);
    await finishOne('none');
    await done;
  };
  return {
    bounded,
    running,
    times,
    match,
    finishOne,
    fail,
    runningSecrets: () => running.map(({ secret }) => secret),
  };
}

function loaded(id: string, organizationId: string): LoadedKey {
  const record = { id, organizationId } as KeyRecord;
  return { record, tier: 'postgres', confirmedAtMs: 0, stale: false, superseded: false };
}

describe('BoundedVerifier', () => {
  it('runs no more comparisons at once than the limit, and then the queued ones', async () => {
    const { match, runningSecrets, finishOne, bounded } = verifier({ concurrency: 2, queueLimit: 10 });
    const results = ['1', '2', '3', '4', '5'].map((secret) => match(`key-${secret}`, secret));
    expect(runningSecrets()).toEqual(['1', '2']);
    expect(bounded.load).toEqual({ running: 2, waiting: 3 });
    for (let left = 5; left > 0; left -= 1) await finishOne();
    expect(await Promise.all(results)).toEqual(Array.from({ length: 5 }, () => 'current'));
    expect(bounded.load).toEqual({ running: 0, waiting: 0 });
  });

  it('starts the next comparison after one that fails', async () => {
    const { match, running, runningSecrets } = verifier({ concurrency: 1, queueLimit: 10 });
    const first = match('a', '1');
    void match('b', '2');
    running.shift()?.flight.reject(new Error('broken'));
    expect(await first).toEqual(new Error('broken'));
    await turn();
    expect(runningSecrets()).toEqual(['2']);
  });

  it('sheds a comparison at once when the queue is full', async () => {
    const { match, bounded } = verifier({ concurrency: 1, queueLimit: 2 });
    for (const id of ['a', 'b', 'c']) void match(id, id);
    expect(await match('d', 'd')).toBeInstanceOf(OverloadedError);
    expect(bounded.load).toEqual({ running: 1, waiting: 2 });
  });

  it('accepts only what can run at once when the queue limit is 0', async () => {
    const { match } = verifier({ concurrency: 1, queueLimit: 0 });
    void match('a', '1');
    expect(await match('b', '2')).toBeInstanceOf(OverloadedError);
  });

  it('sheds from the key with the most waiting comparisons, not from another key', async () => {
    const { match, bounded, runningSecrets, finishOne } = verifier({ concurrency: 1, queueLimit: 4 });
    const storm = Array.from({ length: 100 }, (_, index) => match('attacked', `wrong-${index}`));
    expect(bounded.load.waiting).toBe(4);
    const cold = match('cold', 'right');
    await finishOne();
    expect(runningSecrets()).toEqual(['wrong-1']);
    await finishOne();
    expect(runningSecrets()).toEqual(['right']); // before two comparisons of the storm that were queued earlier
    while (bounded.load.running > 0) await finishOne();
    expect(await cold).toBe('current');
    const refused = (await Promise.all(storm)).filter((result) => result instanceof OverloadedError);
    expect(refused).toHaveLength(100 - 1 - 3);
  });

  it('reports the waiting and running time of each comparison, and nothing for a shed one', async () => {
    const { match, times, finishOne } = verifier({ concurrency: 1, queueLimit: 1 });
    for (const id of ['a', 'b', 'c']) void match(id, id);
    await finishOne();
    await finishOne();
    expect(times).toHaveLength(2);
    for (const [waitSeconds, runSeconds] of times) {
      expect(waitSeconds).toBeGreaterThanOrEqual(0);
      expect(runSeconds).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('BoundedVerifier: callers that leave', () => {
  /** Starts comparisons of which the callers in `gone` leave. */
  function startWith(count: number) {
    const setup = verifier({ concurrency: 1, queueLimit: count });
    const gone = new Set<number>();
    const ran: string[] = [];
    const results = Array.from({ length: count }, (_, nth) =>
      setup.match(`key-${nth}`, `${nth}`, undefined, undefined, () => gone.has(nth)),
    );
    const finishAll = async () => {
      for (; setup.bounded.load.running > 0; await setup.finishOne()) ran.push(...setup.runningSecrets());
    };
    return { ...setup, gone, ran, results, finishAll };
  }

  it('cost no comparison while they wait, and are counted', async () => {
    const { gone, ran, results, finishAll, bounded } = startWith(6);
    for (const nth of [1, 2, 4]) gone.add(nth);
    await finishAll();
    expect(ran).toEqual(['0', '3', '5']);
    expect(await results[1]).toBeInstanceOf(OverloadedError);
    expect(await results[5]).toBe('current');
    expect(bounded.abandoned).toBe(3);
    expect(bounded.shed).toEqual({ clean: 0, targeted: 0, failing: 0 });
    expect(bounded.load).toEqual({ running: 0, waiting: 0 });
  });

  it('do not keep back results that wait for their group', async () => {
    const { gone, results, finishOne, finishAll, ran } = startWith(40);
    for (let nth = 0; nth < 3; nth += 1) await finishOne();
    for (let nth = 4; nth < 40; nth += 1) gone.add(nth);
    await finishAll();
    expect(ran).toEqual(['3']);
    expect(await Promise.all(results.slice(0, 4))).toEqual(Array.from({ length: 4 }, () => 'current'));
  });

  it('are served if a slot is free: a client may close only its own side', async () => {
    const { match, finishOne } = verifier({ concurrency: 1, queueLimit: 1 });
    const done = match('a', '1', undefined, undefined, () => true);
    await finishOne();
    expect(await done).toBe('current');
  });
});

describe('BoundedVerifier: shed callers', () => {
  it('return after at least a second, later the more were shed, and not together', async () => {
    const { match, fail } = verifier({ concurrency: 1, queueLimit: 4 });
    await fail('attacked', '198.51.100.7');
    for (let nth = 0; nth < 5; nth += 1) void match(`key-${nth}`, 'right');
    const errors = await Promise.all(
      Array.from({ length: 3_000 }, (_, nth) => match(`shed-${nth}`, 'right')),
    );
    const seconds = errors.map((error) => (error as OverloadedError).retryAfterSeconds ?? 0);
    expect(Math.min(...seconds)).toBe(1);
    expect(Math.max(...seconds)).toBeGreaterThan(8);
    expect(new Set(seconds).size).toBe(Math.max(...seconds));
    // A class of its own.
    for (let nth = 0; nth < 2; nth += 1) void match('attacked', `wrong-${nth}`, '198.51.100.7');
    const failing = (await match('attacked', 'wrong', '198.51.100.7')) as OverloadedError;
    expect(failing.retryAfterSeconds).toBeLessThanOrEqual(2);
  });
});

describe('BoundedVerifier: a storm of wrong secrets', () => {
  const ATTACKED = 'attacked organization';

  it('for many ids of one organization lets other organizations have every second turn', async () => {
    const { match, finishOne, runningSecrets } = verifier({ concurrency: 1, queueLimit: 400 });
    for (let nth = 0; nth < 300; nth += 1) void match(`id-${nth}`, 'wrong', ATTACKER, ATTACKED);
    for (const nth of [1, 2, 3]) void match(`cold-${nth}`, `right-${nth}`, OWNER, 'other organization');
    const order: (string | undefined)[] = [];
    for (let nth = 0; nth < 6; nth += 1) {
      await finishOne('none');
      order.push(runningSecrets()[0]);
    }
    expect(order).toEqual(['wrong', 'right-1', 'wrong', 'right-2', 'wrong', 'right-3']);
  });

  it('never occupies the last slot, so a clean id starts at once', async () => {
    const { match, fail, runningSecrets, bounded } = verifier({ concurrency: 2, queueLimit: 10 });
    await fail('attacked', ATTACKER);
    for (const nth of [1, 2, 3]) void match('attacked', `wrong-${nth}`, ATTACKER);
    expect(bounded.load).toEqual({ running: 1, waiting: 2 });
    void match('cold', 'right', OWNER);
    expect(runningSecrets()).toEqual(['wrong-1', 'right']);
  });

  it('sheds the attacker, not the owner on another address nor clean ids, although each has fewer waiting', async () => {
    const { match, fail, bounded } = verifier({ concurrency: 1, queueLimit: 8 });
    await fail('attacked', ATTACKER);
    void match('running', 'right', OWNER);
    for (let nth = 0; nth < 8; nth += 1) void match('attacked', `wrong-${nth}`, ATTACKER, ATTACKED);
    const shed: string[] = [];
    const note = (name: string) => (result: unknown) => result instanceof OverloadedError && shed.push(name);
    void match('attacked', 'right', OWNER, ATTACKED).then(note('owner'));
    for (let nth = 0; nth < 4; nth += 1)
      void match(`cold-${nth}`, 'right', OWNER, 'other').then(note('cold'));
    for (let nth = 0; nth < 50; nth += 1) void match('attacked', `later-${nth}`, ATTACKER, ATTACKED);
    await turn();
    expect(shed).toEqual([]);
    expect(bounded.shed).toEqual({ clean: 0, targeted: 0, failing: 5 + 50 });
    expect(bounded.load.waiting).toBe(8);
  });

  it('serves the owner of an attacked key before most of the storm', async () => {
    const { match, fail, finishOne, runningSecrets } = verifier({ concurrency: 1, queueLimit: 100 });
    await fail('attacked', ATTACKER);
    for (let nth = 0; nth < 80; nth += 1) void match('attacked', `wrong-${nth}`, ATTACKER, ATTACKED);
    void match('attacked', 'right', OWNER, ATTACKED);
    await finishOne('none');
    expect(runningSecrets()).toEqual(['right']);
  });

  it('does not starve a caller that fails: a quarter of the turns is for its class', async () => {
    const { match, fail, finishOne, runningSecrets } = verifier({ concurrency: 1, queueLimit: 100 });
    await fail('key', OWNER);
    void match('other', 'right', OWNER);
    for (let nth = 0; nth < 40; nth += 1) void match(`cold-${nth}`, 'cold', OWNER);
    void match('key', 'corrected', OWNER);
    const order: (string | undefined)[] = [];
    for (let nth = 0; nth < 4; nth += 1) {
      await finishOne();
      order.push(runningSecrets()[0]);
    }
    expect(order).toContain('corrected');
  });

  it('forgives a caller that then presents the right secret', async () => {
    const { match, fail, finishOne, bounded } = verifier({ concurrency: 1, queueLimit: 0 });
    await fail('key', OWNER);
    void match('key', 'right', OWNER);
    await finishOne('current');
    void match('busy', 'right', OWNER);
    expect(await match('key', 'right', OWNER)).toBeInstanceOf(OverloadedError);
    expect(bounded.shed).toEqual({ clean: 0, targeted: 1, failing: 0 });
  });
});

describe('BoundedVerifier: a network that knows the tag of a key', () => {
  it('gets a bounded number of comparisons per minute, however many secrets it sends', async () => {
    const { match, finishOne, running, bounded } = verifier({ concurrency: 1, queueLimit: 1_000 });
    const all = Array.from({ length: 500 }, (_, nth) => match('key', `wrong-${nth}`, ATTACKER));
    let runs = 0;
    for (; running.length > 0; runs += 1) await finishOne('none');
    expect(runs).toBe(MAX_FAILURES_PER_MINUTE);
    const refused = (await Promise.all(all)).filter((result) => result instanceof OverloadedError);
    expect(refused).toHaveLength(500 - MAX_FAILURES_PER_MINUTE);
    expect(await match('key', 'later', ATTACKER)).toMatchObject({ retryAfterSeconds: 60 });
    expect(bounded.shed).toEqual({ clean: 0, targeted: 0, failing: 501 - MAX_FAILURES_PER_MINUTE });
    expect(bounded.load).toEqual({ running: 0, waiting: 0 });
  });

  it('takes no comparison from other networks, nor from other keys', async () => {
    const { match, finishOne, fail } = verifier({ concurrency: 1, queueLimit: 10 });
    for (let nth = 0; nth < MAX_FAILURES_PER_MINUTE; nth += 1) await fail('key', ATTACKER);
    for (const [id, network] of [
      ['key', OWNER],
      ['other', ATTACKER],
    ] as const) {
      const right = match(id, 'right', network);
      await finishOne();
      expect(await right).toBe('current');
    }
    expect(await match('key', 'right', ATTACKER)).toBeInstanceOf(OverloadedError);
  });

  it('is still served a right secret that was verified before', async () => {
    const { bounded, finishOne, fail } = verifier({ concurrency: 1, queueLimit: 10 });
    const memos = new MemoizedVerifier(bounded, undefined, () => false, 10);
    const key = { ...loaded('key', 'org'), record: keyRecord('key', 1) };
    const first = memos.match(key, 'right', 'right', ATTACKER);
    await turn();
    await finishOne();
    expect(await first).toBe('current');
    for (let nth = 0; nth < MAX_FAILURES_PER_MINUTE; nth += 1) await fail('key', ATTACKER);
    await expect(memos.match(key, 'wrong', 'wrong', ATTACKER)).rejects.toBeInstanceOf(OverloadedError);
    expect(await memos.match(key, 'right', 'right', ATTACKER)).toBe('current');
  });
});

describe('BoundedVerifier: grouped results', () => {
  /** Starts `count` comparisons, each for another key, and records the order of their results. */
  function startComparisons(count: number) {
    const setup = verifier({ concurrency: 1, queueLimit: count });
    const finished: string[] = [];
    for (let nth = 0; nth < count; nth += 1) {
      void setup.match(`key-${nth}`, `${nth}`).then(() => finished.push(`${nth}`));
    }
    return { ...setup, finished };
  }

  it('reach eight callers at once while many comparisons wait, in the order of the comparisons', async () => {
    const { finishOne, finished } = startComparisons(40);
    for (let nth = 0; nth < 7; nth += 1) await finishOne();
    expect(finished).toEqual([]);
    await finishOne();
    expect(finished).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  });

  it('reach each caller at once while few comparisons wait', async () => {
    const { finishOne, finished } = startComparisons(4);
    for (let nth = 1; nth <= 4; nth += 1) {
      await finishOne();
      expect(finished).toHaveLength(nth);
    }
  });

  it('reach every caller, in any order of arrivals, completions and failures', async () => {
    const step = fc.constantFrom('start', 'start', 'start', 'finish', 'fail');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 120 }),
        async (concurrency, steps) => {
          const { match, running, bounded } = verifier({ concurrency, queueLimit: 30 });
          let pending = 0;
          for (const [nth, what] of steps.entries()) {
            if (what === 'start') {
              pending += 1;
              void match(`key-${nth % 5}`, `${nth}`).then(() => {
                pending -= 1;
              });
            } else if (what === 'finish') running.shift()?.flight.resolve('current');
            else running.shift()?.flight.reject(new Error('broken'));
            await turn();
          }
          for (; bounded.load.running > 0; await turn()) running.shift()?.flight.resolve('none');
          expect(pending).toBe(0);
        },
      ),
    );
  });
});
