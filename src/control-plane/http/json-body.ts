import fp from 'fastify-plugin';
import { IamError } from '../../errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Parses JSON bodies. Accepts an empty body with the JSON content type, because existing clients send it. */
export const jsonBody = fp(
  async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      /^application\/(?:[\w.-]+\+)?json\b/i,
      { parseAs: 'buffer' },
      (_request: unknown, body: string | Buffer, done: (error: Error | null, body?: unknown) => void) => {
        if (body.length === 0) return done(null, undefined);
        try {
          return done(null, JSON.parse(utf8.decode(body as Buffer)));
        } catch {
          return done(new IamError('BODY_INVALID'));
        }
      },
    );
  },
  { name: 'json-body' },
);
