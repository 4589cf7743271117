import swagger from '@fastify/swagger';
import fp from 'fastify-plugin';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { STATUS_CODES } from './node-http.ts';

/** JSON of a request and of its successful response. */
export interface OperationExample {
  request?: unknown;
  response?: unknown;
}

/** Title and description of a server's OpenAPI document. */
export interface OpenApiOptions {
  title: string;
  /** Markdown. */
  description: string;
  /** By operation id. */
  examples: Readonly<Record<string, OperationExample>>;
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
  async (app, { examples, ...info }: OpenApiOptions) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { ...info, version: '1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
        servers: [{ url: '/', description: 'This server' }],
        components: {
          securitySchemes: {
            apiKey: {
              type: 'apiKey',
              in: 'header',
              name: 'Authorization',
              description: 'The text `ApiKey `, then the credential.',
            },
          },
        },
        security: [{ apiKey: [] }],
      },
      transform: jsonSchemaTransform,
      transformObject: (document) => completed(jsonSchemaTransformObject(document) as Document, examples),
    });
  },
  { name: 'openapi' },
);

type Content = Record<string, { example?: unknown }>;

interface Operation {
  operationId?: string;
  requestBody?: { content?: Content };
  responses?: Record<string, { description?: string; content?: Content }>;
}

/** The part of an OpenAPI document that `completed` reads. */
interface Document {
  paths?: Record<string, Record<string, Operation>>;
}

/**
 * Adds the examples. Responses whose schema is a reference have no description of their own; the reason phrase replaces the
 * default text.
 */
function completed(document: Document, examples: OpenApiOptions['examples']): never {
  for (const operation of Object.values(document.paths ?? {}).flatMap(Object.values<Operation>)) {
    const { request, response: success } = examples[operation.operationId ?? ''] ?? {};
    if (request !== undefined) setExample(operation.requestBody?.content, request);
    for (const [status, response] of Object.entries(operation.responses ?? {})) {
      if (response.description === 'Default Response') response.description = STATUS_CODES[status] ?? status;
      if (success !== undefined && status.startsWith('2')) setExample(response.content, success);
    }
  }
  return document as never;
}

function setExample(content: Content = {}, example: unknown): void {
  for (const media of Object.values(content)) media.example = example;
}
