import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { SlotWatch } from '../../../src/control-plane/slot-watch.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { type LogLine, recordingLogger } from '../../support/recording-logger.ts';

let primary: TestPrimary;
beforeAll(async () => {
  primary = await createPrimary();
});
afterAll(async () => {
  await primary?.close();
});

let lines: LogLine[];
let watch: SlotWatch;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { logger, lines: recorded } = recordingLogger();
  lines = recorded;
  const query = async (text: string) => (await primary.pool.query(text)).rows as never[];
  watch = new SlotWatch({ query }, logger);
});
afterEach(async () => {
  vi.useRealTimers();
  await watch.stop();
});

/** Reads the slots once more. */
async function read(): Promise<void> {
  const before = watch.current;
  vi.advanceTimersByTime(10_000);
  await vi.waitUntil(() => watch.current !== before);
}

it('reports a slot of the primary that is dropped', async () => {
  const slot = `region_${randomUUID().replaceAll('-', '')}`;
  await primary.pool.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  watch.start();
  await read();
  await read();
  expect(lines).toEqual([]);
  await primary.pool.query('SELECT pg_drop_replication_slot($1)', [slot]);
  await read();
  await read();
  expect(lines).toEqual([expect.objectContaining({ level: 50, slots: slot })]);
});
