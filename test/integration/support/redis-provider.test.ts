import { expect, inject, it } from 'vitest';
import { provideRedis } from '../../support/servers/redis-provider.ts';

it('prefers TEST_REDIS_URL to a binary on the PATH', async () => {
  const url = 'redis://127.0.0.1:1';
  const { provision } = await provideRedis({ TEST_REDIS_URL: url, PATH: process.env.PATH });
  expect(provision).toEqual({ kind: 'server', url });
});

it('uses a binary on the PATH without TEST_REDIS_URL', async ({ skip }) => {
  const used = inject('redis');
  skip(used.kind !== 'binary', 'this machine has no Redis binary');
  expect((await provideRedis({ PATH: process.env.PATH })).provision).toEqual(used);
});
