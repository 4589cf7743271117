import { beforeEach, describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../../../src/control-plane/audit/audit-event.ts';
import { RefusalCounter } from '../../../../src/control-plane/audit/refusal-counter.ts';

let nowMs: number;
let written: AuditEvent[];
let failures: unknown[];
let refuseWrites: boolean;
let counter: RefusalCounter;
beforeEach(() => {
  nowMs = 1_000_000;
  written = [];
  failures = [];
  refuseWrites = false;
  counter = new RefusalCounter({
    write: async (event) => {
      if (refuseWrites) throw new Error('no database');
      written.push(event);
    },
    now: () => nowMs,
    onWriteFailed: (error) => void failures.push(error),
  });
});

function refusal(actorId: string, targetId = 'target', reason = 'root.permission_denied'): AuditEvent {
  return {
    organizationId: 'org',
    actor: { type: 'key', id: actorId },
    action: 'api_key.revoke',
    outcome: 'failure',
    targetType: 'api_key',
    targetId,
    reason,
  };
}

describe('equal refusals', () => {
  it('are one event at once and one event with the count after a minute', async () => {
    for (let count = 0; count < 2_000; count += 1) await counter.record(refusal('a'));
    expect(written).toEqual([refusal('a')]);
    nowMs += 60_000;
    await counter.writeEnded();
    expect(written).toEqual([refusal('a'), { ...refusal('a'), count: 1_999 }]);
  });

  it('are one event with the count, also if the clock goes back', async () => {
    await counter.record(refusal('a'));
    await counter.record(refusal('a'));
    nowMs -= 500_000;
    await counter.writeEnded();
    expect(written).toEqual([refusal('a'), { ...refusal('a'), count: 1 }]);
  });

  it('stay limited in the next minute, and are an event at once after a minute without any', async () => {
    await counter.record(refusal('a'));
    await counter.record(refusal('a'));
    nowMs += 60_000;
    await counter.writeEnded();
    await counter.record(refusal('a'));
    expect(written).toHaveLength(2);
    nowMs += 60_000;
    await counter.writeEnded();
    expect(written).toHaveLength(3);
    nowMs += 60_000;
    await counter.writeEnded();
    await counter.record(refusal('a'));
    expect(written).toHaveLength(4);
  });

  it('with different targets, requests or addresses are separate events, up to 20 per minute', async () => {
    const different = (at: number): AuditEvent => ({ ...refusal('a', `t${at}`), requested: { at } });
    for (let at = 0; at < 25; at += 1) await counter.record(different(at));
    await counter.record(different(3));
    expect(written).toHaveLength(20);
    nowMs += 60_000;
    await counter.writeEnded();
    expect(written.slice(20)).toEqual([
      { ...different(3), count: 1 },
      {
        ...refusal('a'),
        targetId: undefined,
        targets: ['t20', 't21', 't22', 't23', 't24'],
        targetsOmitted: 0,
        count: 5,
      },
    ]);
    await counter.record({ ...different(0), actor: { type: 'key', id: 'a', sourceIp: '192.0.2.1' } });
    expect(written).toHaveLength(23);
  });

  it('list the keys of bulk revocations together', async () => {
    for (let at = 0; at < 22; at += 1) {
      await counter.record({ ...refusal('a'), targetId: undefined, requested: { keys: [`k${at}`] } });
    }
    nowMs += 60_000;
    await counter.writeEnded();
    expect(written.at(-1)).toMatchObject({ count: 2, targets: ['k20', 'k21'] });
  });

  it('list at most 1,000 targets together, and count the others', async () => {
    for (let at = 0; at < 1_100; at += 1) await counter.record(refusal('a', `t${at}`));
    nowMs += 60_000;
    await counter.writeEnded();
    const { targets, ...summary } = written.at(-1) ?? refusal('none');
    expect([targets?.length, targets?.at(-1)]).toEqual([1_000, 't1019']);
    expect(summary).toMatchObject({ targetsOmitted: 80, count: 1_080, targetType: 'api_key' });
  });

  it('of different keys and reasons are separate events', async () => {
    await counter.record(refusal('a'));
    await counter.record(refusal('b'));
    await counter.record(refusal('a', 'target', 'api_keys.key_not_found'));
    expect(written).toHaveLength(3);
  });
});

it('writes all counts when it stops', async () => {
  await counter.record(refusal('a'));
  await counter.record(refusal('a'));
  await counter.stop();
  expect(written[1]).toMatchObject({ count: 1 });
});

it('keeps a bounded number of windows and loses no count', async () => {
  for (let id = 0; id < 12_000; id += 1) {
    await counter.record(refusal(String(id)));
    await counter.record(refusal(String(id)));
  }
  await counter.stop();
  expect(written).toHaveLength(24_000);
});

it('reports a failed write and does not fail the refusal', async () => {
  refuseWrites = true;
  await counter.record(refusal('a'));
  expect(failures).toEqual([new Error('no database')]);
});
