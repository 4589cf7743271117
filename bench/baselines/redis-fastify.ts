import fastify from 'fastify';
import { Redis } from 'ioredis';

/**
 * One GET of ioredis for each request, in a bare Fastify that parses the body: the value is sent as it is. Pipelining
 * is on, as in the service. Environment: `PORT`, `PATH_TO_ANSWER`, `REDIS_URL`, `ANSWER` (the value to store first).
 */
const { PORT, PATH_TO_ANSWER = '/', REDIS_URL = '', ANSWER = '{}' } = process.env;
const NAME = 'bench:answer';

const redis = new Redis(REDIS_URL, { enableAutoPipelining: true });
await redis.set(NAME, ANSWER);

const app = fastify({ logger: false, keepAliveTimeout: 72_000 });
app.post(PATH_TO_ANSWER, async (_request, reply) => {
  const value = await redis.getBuffer(NAME);
  return reply.type('application/json; charset=utf-8').send(value);
});
await app.listen({ host: '127.0.0.1', port: Number(PORT) });
process.send?.('up');
process.on('disconnect', () => process.exit());
