import type { IncomingMessage } from 'node:http';
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
      async (request: FastifyRequest, payload: IncomingMessage) => {
        if (request.routeOptions.config.allow !== undefined) return undefined;
        const body = await app.readBody(request, payload);
        if (body.length === 0) return undefined;
        const [text, parsed] = parse(body);
        const repeated = repeatedKey(text);
        if (repeated === undefined) return parsed;
        throw new IamError('BODY_INVALID', {
          message: `The key ${quoted(repeated)} occurs twice in one object.`,
        });
      },
    );
  },
  { name: 'json-body', dependencies: ['request-bodies'] },
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
