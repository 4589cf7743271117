import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { renderOpenApi } from '../../../scripts/docs/openapi.ts';

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

  it('describes every operation and every response', () => {
    for (const operations of Object.values<Record<string, object>>(JSON.parse(text).paths)) {
      for (const operation of Object.values<Record<string, unknown>>(operations as never)) {
        expect(operation).toMatchObject({ summary: expect.any(String), tags: [expect.any(String)] });
        expect(JSON.stringify(operation.responses)).not.toContain('Default Response');
      }
    }
  });
});
