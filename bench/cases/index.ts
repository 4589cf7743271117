import type { Bench } from '../lib/bench.ts';
import type { Row } from '../lib/row.ts';

/** A comparison that can be run by its name. */
export interface BenchCase {
  summary: string;
  load: () => Promise<(bench: Bench) => Promise<Row[]>>;
}

/** All cases, in the order in which they run. */
export const cases: Record<string, BenchCase> = {
  warm: {
    summary: 'memory hit against a bare Fastify route that sends the same bytes',
    load: async () => (await import('./warm.ts')).warm,
  },
  'warm-vs-better-auth': {
    summary: "memory hit against better-auth's API-key plugin on Postgres",
    load: async () => (await import('./warm-vs-better-auth.ts')).warmVsBetterAuth,
  },
  'redis-hit': {
    summary: 'nothing in memory, everything in Redis, against a Fastify route with one GET',
    load: async () => (await import('./redis-hit.ts')).redisHit,
  },
  cold: {
    summary: 'keys never seen before against bare argon2.verify',
    load: async () => (await import('./cold.ts')).cold,
  },
  'warm-under-storm': {
    summary: 'memory hits at a fixed rate while wrong secrets saturate argon2, against the same without them',
    load: async () => (await import('./warm-under-storm.ts')).warmUnderStorm,
  },
  'contexts-100': {
    summary: 'a call about a hundred projects against a call about one, from memory',
    load: async () => (await import('./contexts-100.ts')).contexts100,
  },
  'million-keys': {
    summary: 'a cold call among a million keys against one among a thousand',
    load: async () => (await import('./million-keys.ts')).millionKeys,
  },
  memory: {
    summary: 'what a warm key takes, at a hundred thousand',
    load: async () => (await import('./memory.ts')).memory,
  },
  start: {
    summary: 'process start to ready against a bare Fastify',
    load: async () => (await import('./start.ts')).start,
  },
};
