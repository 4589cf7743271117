import swagger from '@fastify/swagger';
import fp from 'fastify-plugin';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { STATUS_CODES } from './node-http.ts';

/** Title and description of a server's OpenAPI document. */
export interface OpenApiOptions {
  title: string;
  description: string;
}

/** The body of an error of the UIAM paths, as a schema; `uiamErrorBody` writes it. */
export const uiamErrorSchema = z
  .object({
    request_id: z.string(),
    error: z.object({
      code: z.string().describe('Error code; docs/errors.md lists all codes.'),
      message: z.string(),
      resource: z.string().nullable().describe('What the error is about, such as an id or a field.'),
      type: z.string(),
    }),
  })
  .describe('An error.')
  .meta({ id: 'UiamError' });

/** Builds an OpenAPI document, `app.swagger()`, from the schemas of all routes that are registered later. */
export const openApi = fp(
  async (app, options: OpenApiOptions) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { ...options, version: '1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
        servers: [{ url: '/', description: 'This server' }],
        components: {
          securitySchemes: {
            apiKey: {
              type: 'apiKey',
              in: 'header',
              name: 'Authorization',
              description: 'ApiKey <credential>',
            },
          },
        },
        security: [{ apiKey: [] }],
      },
      transform: jsonSchemaTransform,
      transformObject: (document) => withDescriptions(jsonSchemaTransformObject(document) as Document),
    });
  },
  { name: 'openapi' },
);

/** The part of an OpenAPI document that `withDescriptions` reads. */
interface Document {
  paths?: Record<string, Record<string, { responses?: Record<string, { description?: string }> }>>;
}

/** Responses whose schema is a reference have no description of their own; the reason phrase replaces the default text. */
function withDescriptions(document: Document): never {
  for (const operations of Object.values(document.paths ?? {})) {
    for (const { responses = {} } of Object.values(operations)) {
      for (const [status, response] of Object.entries(responses)) {
        if (response.description === 'Default Response')
          response.description = STATUS_CODES[status] ?? status;
      }
    }
  }
  return document as never;
}
