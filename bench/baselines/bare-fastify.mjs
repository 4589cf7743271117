import fastify from 'fastify';

/**
 * The baseline of everything that is answered from memory: one POST route of a bare Fastify, no schema, no hooks, no
 * logger, that has Fastify parse the body and sends a text that was there before. Announces that it is up. In
 * JavaScript, so that its start does not pay for types.
 *
 * Environment: `PORT`, `PATH_TO_ANSWER`, `ANSWER` (the text), `PARSE` (`json`, the default, or `bytes`: the body is
 * taken in and not looked at).
 */
const { PORT, PATH_TO_ANSWER = '/', ANSWER = '{}', PARSE } = process.env;

// As the regional service: the same Keep-Alive header.
const app = fastify({ logger: false, keepAliveTimeout: 72_000, bodyLimit: 16 * 1024 * 1024 });
if (PARSE === 'bytes') {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
}
app.post(PATH_TO_ANSWER, (_request, reply) => {
  reply.type('application/json; charset=utf-8').send(ANSWER);
});
await app.listen({ host: '127.0.0.1', port: Number(PORT) });
process.send?.('up');
process.on('disconnect', () => process.exit());
