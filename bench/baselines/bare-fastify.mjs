import fastify from 'fastify';

/**
 * Baseline of the memory hits: a bare Fastify with one POST route and without schema, hooks and logger. Fastify parses
 * the body, and the route sends a constant text. The first message is `ready`. The file is JavaScript, so that the start
 * includes no type stripping.
 *
 * Environment: `PORT`, `ROUTE_PATH`, `RESPONSE_BODY` (the text), `PARSE` (`json`, the default, or `bytes`: the
 * server reads the body without parsing it).
 */
const { PORT, ROUTE_PATH = '/', RESPONSE_BODY = '{}', PARSE } = process.env;

// The same Keep-Alive header as the regional service.
const app = fastify({ logger: false, keepAliveTimeout: 72_000, bodyLimit: 16 * 1024 * 1024 });
if (PARSE === 'bytes') {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
}
app.post(ROUTE_PATH, (_request, reply) => {
  reply.type('application/json; charset=utf-8').send(RESPONSE_BODY);
});
await app.listen({ host: '127.0.0.1', port: Number(PORT) });
process.send?.('ready');
process.on('disconnect', () => process.exit());
