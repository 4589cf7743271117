import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { IamError } from '../../errors.ts';
import { repeatedKey } from '../../roles/repeated-key.ts';
import { quoted } from '../../roles/violation.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Parses JSON bodies. Refuses a body in which a key occurs twice, because JSON.parse would drop the first value. Accepts an
 * empty body with the JSON content type, because existing clients send it.
 */
export const jsonBody = fp(
  async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      /^application\/(?:[\w.-]+\+)?json\b/i,
      { parseAs: 'buffer' },
      async (_request: FastifyRequest, body: string | Buffer) => {
        if (body.length === 0) return undefined;
        const [text, parsed] = parse(body as Buffer);
        const repeated = repeatedKey(text);
        if (repeated === undefined) return parsed;
        throw new IamError('BODY_INVALID', {
          message: `The key ${quoted(repeated)} occurs twice in one object.`,
        });
      },
    );
  },
  { name: 'json-body' },
);

/** @throws {IamError} if the body is not UTF-8 or not JSON */
function parse(body: Buffer): [text: string, parsed: unknown] {
  try {
    const text = utf8.decode(body);
    return [text, JSON.parse(text)];
  } catch {
    throw new IamError('BODY_INVALID');
  }
}
