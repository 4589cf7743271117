import type { Bench } from '../lib/bench.ts';
import type { Row } from '../lib/row.ts';

/** A comparison that runs by name. */
export interface BenchCase {
  summary: string;
  load: () => Promise<(bench: Bench) => Promise<Row[]>>;
}

/** All cases in run order. */
export const cases: Record<string, BenchCase> = {
  warm: {
    summary: 'memory hits against a bare Fastify route that sends the same bytes',
    load: async () => (await import('./warm.ts')).warm,
  },
  'warm-vs-better-auth': {
    summary: "memory hits against better-auth's API-key plugin on Postgres",
    load: async () => (await import('./warm-vs-better-auth.ts')).warmVsBetterAuth,
  },
  'redis-hit': {
    summary: 'Redis hits against a Fastify route with one GET',
    load: async () => (await import('./redis-hit.ts')).redisHit,
  },
  'redis-restart': {
    summary: 'share of keys in Redis after a fill at full speed, and a restart under load',
    load: async () => (await import('./redis-restart.ts')).redisRestart,
  },
  'restart-storm': {
    summary:
      'callers that retry, for keys that need argon2 after a restart without Redis, against bare argon2',
    load: async () => (await import('./restart-storm.ts')).restartStorm,
  },
  cold: {
    summary: 'unknown keys against bare argon2.verify',
    load: async () => (await import('./cold.ts')).cold,
  },
  'warm-under-storm': {
    summary:
      'memory hits at a fixed rate while wrong secrets saturate argon2, against the same load without them',
    load: async () => (await import('./warm-under-storm.ts')).warmUnderStorm,
  },
  'cold-under-storm': {
    summary: 'a cold key while wrong secrets for another organization arrive, against the same without them',
    load: async () => (await import('./cold-under-storm.ts')).coldUnderStorm,
  },
  'contexts-100': {
    summary: 'a request for a hundred projects against a request for one, both memory hits',
    load: async () => (await import('./contexts-100.ts')).contexts100,
  },
  'million-keys': {
    summary: 'a cold request with a million keys in the table against one with a thousand',
    load: async () => (await import('./million-keys.ts')).millionKeys,
  },
  memory: {
    summary: 'memory per warm key, with a hundred thousand keys',
    load: async () => (await import('./memory.ts')).memory,
  },
  start: {
    summary: 'process start to ready against a bare Fastify',
    load: async () => (await import('./start.ts')).start,
  },
};
