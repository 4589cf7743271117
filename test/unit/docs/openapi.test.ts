import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { renderOpenApi } from '../../../scripts/docs/openapi.ts';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { responseSchema } from '../../../src/regional/authentication-schema.ts';

interface Operation {
  operationId?: string;
  parameters?: { name: string; description?: string }[];
  requestBody?: { content: Record<string, object> };
  responses: Record<string, { content?: Record<string, object> }>;
}

const documents = Object.entries(await renderOpenApi());

describe.each(documents)('%s', (path, text) => {
  it('is up to date (npm run docs)', async () => {
    expect(await readFile(new URL(`../../../${path}`, import.meta.url), 'utf8')).toBe(text);
  });

  it('is OpenAPI 3.1 in which every reference resolves', () => {
    const document = JSON.parse(text);
    expect(document.openapi).toBe('3.1.0');
    const schemas = document.components.schemas ?? {};
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      expect(schemas).toHaveProperty([name ?? '']);
    }
  });

  const operations = Object.values<Record<string, Operation>>(JSON.parse(text).paths).flatMap(
    Object.values<Operation>,
  );

  it('describes every operation, every parameter and every response', () => {
    for (const operation of operations) {
      for (const parameter of operation.parameters ?? []) {
        expect(parameter, `${operation.operationId} ${parameter.name}`).toHaveProperty('description');
      }
      expect(operation).toMatchObject({ summary: expect.any(String), tags: [expect.any(String)] });
      expect(JSON.stringify(operation.responses)).not.toContain('Default Response');
    }
  });

  it('has a unique operationId for every operation, and an example of every body', () => {
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { operationId, requestBody, responses } of operations) {
      expect(operationId).toMatch(/^[a-z]+([A-Z][a-z]+)*$/);
      const success = Object.entries(responses).find(([status]) => status.startsWith('2'));
      for (const [type, content] of Object.entries({ ...requestBody?.content, ...success?.[1].content })) {
        expect(content, `${operationId} ${type}`).toHaveProperty('example');
      }
    }
  });
});

it('the example of _authenticate has every field of a response', () => {
  const { paths } = JSON.parse(Object.fromEntries(documents)['docs/openapi/regional.json'] ?? '');
  const { example } = paths[AUTHENTICATE_PATH].post.responses['200'].content['application/json'];
  expect(responseSchema.safeParse(example).error).toBeUndefined();
});
