import fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { loadConfig } from '../../src/config.ts';
import { createControlPlaneApp } from '../../src/control-plane/app.ts';
import { openApi, uiamErrorSchema } from '../../src/http/openapi.ts';
import { Traffic } from '../../src/http/traffic.ts';
import { AUTHENTICATE_PATH } from '../../src/regional/authentication-call.ts';
import { bodySchema, querySchema } from '../../src/regional/authentication-request.ts';
import { responseSchema } from '../../src/regional/authentication-schema.ts';

const PROJECT = {
  type: 'project',
  project_id: 'my-project',
  project_type: 'elasticsearch',
  project_organization_id: 'my-organization',
};
const EXAMPLE = {
  request: { contexts: [PROJECT] },
  response: {
    type: 'api-key',
    user_id: 'user-1',
    email: null,
    first_name: null,
    last_name: null,
    organization_id: 'my-organization',
    contexts: [
      {
        ...PROJECT,
        application_roles: ['logs-reader'],
        role_descriptors: { 'logs-reader': { indices: [{ names: ['logs-*'], privileges: ['read'] }] } },
        unresolved_application_roles: [],
      },
    ],
    denied_contexts: [],
    credentials: {
      id: 'BjvO4y5VI39ekJJqnNb0EQ',
      type: 'api-key',
      creation: '2026-01-05T09:00:00Z',
      expiration: null,
      internal: false,
      description: 'search of the shop',
    },
    token: null,
    role_assignments: null,
  },
};

/** The OpenAPI documents of both servers by file path, generated from the servers' own schemas. */
export async function renderOpenApi(): Promise<Record<string, string>> {
  return {
    'docs/openapi/control-plane.json': await documentOf(await controlPlane()),
    'docs/openapi/regional.json': await documentOf(await regional()),
  };
}

/** Registers the routes without their services: no route is called. */
function controlPlane(): Promise<FastifyInstance> {
  const config = loadConfig({});
  const services = { traffic: new Traffic(config, new Registry()) };
  return createControlPlaneApp(config, pino({ level: 'silent' }), services as never);
}

async function regional(): Promise<FastifyInstance> {
  const app = fastify();
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => String);
  await app.register(openApi, {
    title: 'regional-iam regional service',
    description:
      'Validates unified API keys next to each Elasticsearch fleet. The key calls of the control plane (_grant, _convert, revocation) are forwarded; docs/openapi/control-plane.json describes them.',
    examples: { authenticate: EXAMPLE },
  });
  const refusals = [400, 401, 403, 413, 415, 500, 503].map((status) => [status, uiamErrorSchema]);
  app.post(
    AUTHENTICATE_PATH,
    {
      schema: {
        tags: ['Authentication'],
        operationId: 'authenticate',
        summary: 'Authenticate an API key',
        description:
          'The body may be absent. 200 if at least one context is granted, 403 if all are denied. 401 means that the key is at fault, 503 the service: try again.',
        headers: z.object({
          'x-client-authentication': z
            .string()
            .optional()
            .describe(
              'The shared secret of a trusted caller. Required for internal keys, refused for external ones.',
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
