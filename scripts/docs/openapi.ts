import fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { z } from 'zod';
import { loadConfig } from '../../src/config.ts';
import { createControlPlaneApp } from '../../src/control-plane/app.ts';
import { openApi, uiamErrorSchema } from '../../src/http/openapi.ts';
import { AUTHENTICATE_PATH } from '../../src/regional/authentication-call.ts';
import { bodySchema, querySchema } from '../../src/regional/authentication-request.ts';
import { responseSchema } from '../../src/regional/authentication-schema.ts';

/** The OpenAPI documents of both servers by file path, generated from the servers' own schemas. */
export async function renderOpenApi(): Promise<Record<string, string>> {
  return {
    'docs/openapi/control-plane.json': await documentOf(await controlPlane()),
    'docs/openapi/regional.json': await documentOf(await regional()),
  };
}

/** Its routes are registered and never called, so nothing has to stand behind them. */
function controlPlane(): Promise<FastifyInstance> {
  return createControlPlaneApp(loadConfig({}), pino({ level: 'silent' }), {} as never);
}

async function regional(): Promise<FastifyInstance> {
  const app = fastify();
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => String);
  await app.register(openApi, {
    title: 'regional-iam regional service',
    description:
      'Validates unified API keys next to each Elasticsearch fleet. The key calls of the control plane (_grant, _convert, revocation) are forwarded; docs/openapi/control-plane.json describes them.',
  });
  const refusals = [400, 401, 403, 413, 415, 500, 503].map((status) => [status, uiamErrorSchema]);
  app.post(
    AUTHENTICATE_PATH,
    {
      schema: {
        tags: ['Authentication'],
        summary: 'Authenticate an API key',
        description:
          'The body may be absent. One or more contexts granted is 200; all denied is 403. 401 means the key, 503 means us: try again.',
        headers: z.object({
          'x-client-authentication': z
            .string()
            .optional()
            .describe(
              'The shared secret of a trusted caller: required for internal keys, refused for others.',
            ),
          'x-opaque-id': z.string().optional().describe('Id of the caller’s own request, for the log.'),
        }),
        querystring: querySchema,
        body: bodySchema,
        response: { 200: responseSchema, ...Object.fromEntries(refusals) },
      },
    },
    async () => '',
  );
  return app as unknown as FastifyInstance;
}

async function documentOf(app: FastifyInstance): Promise<string> {
  await app.ready();
  try {
    return `${JSON.stringify(app.swagger(), null, 2)}\n`;
  } finally {
    await app.close();
  }
}
