import { expect, inject, test } from 'vitest';
import { provideRedis } from '../../support/servers/redis-provider.ts';

test('TEST_REDIS_URL wins over everything else', async () => {
  const url = 'redis://127.0.0.1:1';
  const { provision } = await provideRedis({ TEST_REDIS_URL: url, PATH: process.env.PATH });
  expect(provision).toEqual({ kind: 'server', url });
});

test('without it, a binary on the PATH is used, one process per caller', async ({ skip }) => {
  const used = inject('redis');
  skip(used.kind !== 'binary', 'this machine has a shared server only');
  expect((await provideRedis({ PATH: process.env.PATH })).provision).toEqual(used);
});
