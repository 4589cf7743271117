import fp from 'fastify-plugin';

/**
 * Passes bodies to the route as unparsed bytes. Unlike Fastify's own parser, it accepts the JSON content type without a
 * body, because clients of the protocol send that.
 */
export const jsonBytes = fp(
  async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      /^application\/(?:[\w.-]+\+)?json\b/i,
      { parseAs: 'buffer' },
      (_request: unknown, body: string | Buffer, done: (error: Error | null, body?: Buffer) => void) => {
        const bytes = body as Buffer;
        done(null, bytes.length === 0 ? undefined : bytes);
      },
    );
  },
  { name: 'json-bytes' },
);
