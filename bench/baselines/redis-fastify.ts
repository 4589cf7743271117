import fastify from 'fastify';
import { Redis } from 'ioredis';

/**
 * Baseline of the Redis hits: a bare Fastify that parses the body, reads one value with GET and sends it unchanged.
 * ioredis pipelines commands, as in the service.
 *
 * Environment: `PORT`, `ROUTE_PATH`, `REDIS_URL`, `RESPONSE_BODY` (the value to store at the start).
 */
const { PORT, ROUTE_PATH = '/', REDIS_URL = '', RESPONSE_BODY = '{}' } = process.env;
const REDIS_KEY = 'bench:result';

const redis = new Redis(REDIS_URL, { enableAutoPipelining: true });
await redis.set(REDIS_KEY, RESPONSE_BODY);

const app = fastify({ logger: false, keepAliveTimeout: 72_000 });
app.post(ROUTE_PATH, async (_request, reply) => {
  const value = await redis.getBuffer(REDIS_KEY);
  return reply.type('application/json; charset=utf-8').send(value);
});
await app.listen({ host: '127.0.0.1', port: Number(PORT) });
process.send?.('ready');
process.on('disconnect', () => process.exit());
