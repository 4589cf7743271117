import fp from 'fastify-plugin';

/**
 * Bodies arrive as bytes: the route decides whether and how to read them. Unlike Fastify's own parser this accepts
 * the JSON content type without any body, as clients of the protocol send it.
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
