import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { IamError } from '../../errors.ts';
import { uiamErrorSchema } from '../../http/openapi.ts';
import type { CallerGate } from '../http/caller-gate.ts';

/**
 * Serves the token calls of Kibana. This release issues no tokens, so every token is unknown: Kibana then signs its user out. A
 * 404 would look like an outage. The head decides, so the body is not read.
 */
export function tokenRoutes(app: FastifyInstance, callers: CallerGate): void {
  const refuse = async (request: FastifyRequest) => {
    callers.countAnonymous(request);
    throw new IamError('TOKEN_UNKNOWN');
  };
  for (const [name, summary] of [
    ['refresh', 'Refresh a token'],
    ['invalidate', 'Invalidate a token'],
  ] as const) {
    app.post(
      `/_${name}`,
      {
        onRequest: refuse,
        schema: {
          tags: ['UIAM'],
          operationId: `${name}Token`,
          summary,
          description: 'This release issues no tokens: every token is unknown, and the response is 401.',
          security: [],
          response: Object.fromEntries([401, 429].map((status) => [status, uiamErrorSchema])) as Record<
            number,
            z.ZodType
          >,
        },
      },
      refuse,
    );
  }
}
