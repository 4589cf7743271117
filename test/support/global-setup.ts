import { readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import {
  createScratchDirectory,
  startTestPostgres,
  sweepAbandonedRuns,
  type TestPostgres,
} from './servers/postgres.ts';
import { provideRedis, type RedisProvision } from './servers/redis-provider.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgres: TestPostgres;
    redis: RedisProvision;
  }
}

/** Starts one primary and one regional Postgres for the whole run, and decides how tests get their Redis. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweepAbandonedRuns();
  const directory = await createScratchDirectory('run');
  const cancelKill = killOnExit(directory);
  const started = await Promise.allSettled([
    startTestPostgres(join(directory, 'primary')),
    startTestPostgres(join(directory, 'region')),
    provideRedis(),
  ]);
  const [primary, region, redis] = started;

  const teardown = async () => {
    // The region stops first: the primary waits for the region's connections when it stops.
    if (region.status === 'fulfilled') await region.value.server.stop('immediate');
    if (primary.status === 'fulfilled') await primary.value.server.stop('immediate');
    if (redis.status === 'fulfilled') await redis.value.release();
    await rm(directory, { recursive: true, force: true });
    cancelKill();
  };

  if (primary.status !== 'fulfilled' || region.status !== 'fulfilled' || redis.status !== 'fulfilled') {
    await teardown();
    throw started.find((result) => result.status === 'rejected')?.reason;
  }
  project.provide('postgres', { primary: primary.value.access, region: region.value.access });
  project.provide('redis', redis.value.provision);
  return teardown;
}

const SERVERS_LEAVE_MS = 300;

/**
 * Stops Postgres when Vitest exits on a signal, which skips the teardown. Postgres is in its own session and receives no
 * signal from the terminal. An exit handler must be synchronous. The next run removes what a SIGKILL leaves behind.
 */
function killOnExit(directory: string): () => void {
  const kill = () => {
    for (const name of ['primary', 'region']) {
      try {
        process.kill(
          Number.parseInt(readFileSync(join(directory, name, 'postmaster.pid'), 'utf8'), 10),
          'SIGQUIT',
        );
      } catch {} // not started yet
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SERVERS_LEAVE_MS);
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', kill);
  return () => void process.off('exit', kill);
}
