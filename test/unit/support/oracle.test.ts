import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Disturbances, ORDINARY_MS } from '../../support/oracle/disturbances.ts';
import { Judge } from '../../support/oracle/judge.ts';
import { Random } from '../../support/oracle/random.ts';
import { allowedOutcomes, type KnownSecret, noteRefusal, Versions } from '../../support/oracle/truth.ts';
import { World } from '../../support/oracle/world.ts';

/** The soak finds a wrong answer only if the oracle calls it wrong. */
const START = 1_000_000;
const POD = 0;

let disturbances: Disturbances;
beforeEach(() => {
  vi.useFakeTimers({ now: START });
  disturbances = new Disturbances();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const at = (atMs: number, pod = POD) => ({ pod, sentMs: START + atMs, receivedMs: START + atMs + 1 });
const change = (invokedMs: number, acknowledgedMs: number) => ({
  invokedMs: START + invokedMs,
  acknowledgedMs: START + acknowledgedMs,
});
const secretOf = (fields: Partial<KnownSecret> = {}): KnownSecret => ({
  authorization: '',
  keyId: 'a',
  validFrom: change(-60_000, -59_000),
  endings: [],
  ...fields,
});
const allowed = (secret: KnownSecret, atMs: number, pod = POD) =>
  [...allowedOutcomes(secret, at(atMs, pod), disturbances)].sort();

/** A fault from now on for some time. */
function fault(effect: Parameters<Disturbances['begin']>[1], durationMs: number): void {
  const end = disturbances.begin('fault', effect);
  vi.advanceTimersByTime(durationMs);
  end();
}

describe('without a fault', () => {
  it('a valid secret is accepted', () => {
    expect(allowed(secretOf(), 0)).toEqual(['200']);
  });

  it('a new secret may be unknown until it must have arrived', () => {
    const secret = secretOf({ validFrom: change(0, 10) });
    expect(allowed(secret, 1)).toEqual(['200', '401']);
    expect(allowed(secret, 11 + ORDINARY_MS)).toEqual(['200']);
  });

  it('a revoked secret may be refused from the request on, and must be once the revocation has arrived', () => {
    const secret = secretOf({ endings: [{ change: change(0, 100), graceMs: 0 }] });
    expect(allowed(secret, -10)).toEqual(['200']);
    expect(allowed(secret, 50)).toEqual(['200', '401']);
    expect(allowed(secret, 101 + ORDINARY_MS)).toEqual(['401']);
  });

  it('a revocation that is not acknowledged may have happened or not', () => {
    const secret = secretOf({ endings: [{ change: change(0, Number.POSITIVE_INFINITY), graceMs: 0 }] });
    expect(allowed(secret, 3_600_000)).toEqual(['200', '401']);
  });

  it('a pod that has refused a revoked secret must not accept it again; other pods may', () => {
    const secret = secretOf({ endings: [{ change: change(0, 10), graceMs: 0 }] });
    noteRefusal(secret, at(20));
    expect(allowed(secret, 22)).toEqual(['401']);
    expect(allowed(secret, 22, 1)).toEqual(['200', '401']);
  });

  it('a replaced secret is valid for its grace period', () => {
    const secret = secretOf({ endings: [{ change: change(0, 10), graceMs: 10_000 }] });
    expect(allowed(secret, 9_000)).toEqual(['200']);
    expect(allowed(secret, 11_000)).toEqual(['401']);
  });

  it('an expired secret is refused', () => {
    const secret = secretOf({ expiresAtMs: START + 5_000 });
    expect(allowed(secret, 4_000)).toEqual(['200']);
    expect(allowed(secret, 6_000)).toEqual(['401']);
  });
});

describe('with a fault', () => {
  it('changes may be late while it lasts, and for the time of its recovery', () => {
    fault({ delays: 'all', recoveryMs: 5_000 }, 20_000);
    const secret = secretOf({ endings: [{ change: change(10, 20), graceMs: 0 }] });
    expect(allowed(secret, 24_900)).toEqual(['200', '401']);
    expect(allowed(secret, 25_100)).toEqual(['401']);
  });

  it('a pod that is cut off uses old copies for a bounded time', () => {
    disturbances.begin('fault', { delays: POD, maxDelayMs: 15_000, recoveryMs: 0 });
    const secret = secretOf({ endings: [{ change: change(10, 20), graceMs: 0 }] });
    expect(allowed(secret, 14_000)).toEqual(['200', '401']);
    expect(allowed(secret, 15_100)).toEqual(['401']);
    expect(allowed(secret, 14_000, 1)).toEqual(['401']);
  });

  it('excuses 503 of the pods that it concerns, and of no other', () => {
    fault({ unavailable: POD, recoveryMs: 1_000 }, 5_000);
    expect(allowed(secretOf(), 5_900)).toEqual(['200', '503']);
    expect(allowed(secretOf(), 6_100)).toEqual(['200']);
    expect(allowed(secretOf(), 100, 1)).toEqual(['200']);
  });

  it('never excuses a refusal of a valid secret', () => {
    fault({ delays: 'all', unavailable: 'all', unknownUnavailable: true, recoveryMs: 1_000 }, 5_000);
    expect(allowed(secretOf(), 2_000)).not.toContain('401');
  });

  it('never excuses that a secret is accepted which was refused before', () => {
    fault({ delays: 'all', unavailable: 'all', recoveryMs: 1_000 }, 5_000);
    const secret = secretOf({ endings: [{ change: change(0, 10), graceMs: 0 }] });
    noteRefusal(secret, at(20));
    expect(allowed(secret, 2_000)).toEqual(['401', '503']);
  });
});

describe('a value with versions', () => {
  it('shows the newest that must have arrived, or a later one', () => {
    const versions = new Versions(0);
    versions.write(1)();
    vi.advanceTimersByTime(ORDINARY_MS + 10);
    versions.write(2)();
    const shown = () => {
      const now = Date.now();
      const call = { pod: POD, sentMs: now, receivedMs: now + 1 };
      return [0, 1, 2, 3].filter((value) => versions.allows(value, call, disturbances));
    };
    expect(shown()).toEqual([1, 2]);
    vi.advanceTimersByTime(ORDINARY_MS + 10);
    expect(shown()).toEqual([2]);
  });

  it('shows any after a loss, until a later one has arrived', () => {
    const versions = new Versions(0);
    versions.write(1)();
    vi.advanceTimersByTime(60_000);
    versions.makeUncertain();
    const allows = (value: number) => {
      const now = Date.now();
      return versions.allows(value, { pod: POD, sentMs: now, receivedMs: now + 1 }, disturbances);
    };
    expect(allows(0)).toBe(true);
    versions.write(2)();
    vi.advanceTimersByTime(ORDINARY_MS + 10);
    expect([allows(0), allows(1), allows(2)]).toEqual([false, false, true]);
  });
});

describe('the judge', () => {
  let world: World;
  let judge: Judge;
  let secret: KnownSecret;
  beforeEach(() => {
    vi.spyOn(console, 'log').mockImplementation(() => {});
    world = new World('o');
    world.created(
      'a',
      'ApiKey a',
      { invokedMs: START - 60_000, acknowledgedMs: START - 59_000 },
      START + 86_400_000,
    );
    secret = world.liveKey(new Random(1))?.secret as KnownSecret;
    judge = new Judge(world);
  });
  const judged = (kind: 'secret' | 'wrong', outcome: string, more: object = { keyId: 'a', role: 0 }) => {
    const before = judge.violations;
    judge.judge({ kind, secret }, at(0), { outcome, text: outcome, ...more });
    return judge.violations - before;
  };

  it('accepts the right answers', () => {
    expect(judged('secret', '200')).toBe(0);
    expect(judged('wrong', '401')).toBe(0);
  });

  it.each(['401', '403', '500', '503', 'unanswered'])('does not accept %s for a valid key', (outcome) => {
    expect(judged('secret', outcome)).toBe(1);
  });

  it('does not accept the answer of another key, nor a role that was never written', () => {
    expect(judged('secret', '200', { keyId: 'b', role: 0 })).toBe(1);
    expect(judged('secret', '200', { keyId: 'a', role: 7 })).toBe(1);
  });

  it('does not accept 200 for a wrong secret', () => {
    expect(judged('wrong', '200')).toBe(1);
  });
});

it('equal seeds give equal choices', () => {
  const choices = (seed: number) => {
    const random = new Random(seed);
    return [random.next(), random.integer(0, 1_000_000), random.shuffled([1, 2, 3, 4, 5])];
  };
  expect(choices(7)).toEqual(choices(7));
  expect(choices(7)).not.toEqual(choices(8));
});
