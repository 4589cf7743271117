import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { renderDocs } from '../../../scripts/docs/render.ts';

const folder = new URL('../../../src/cli/', import.meta.url);

it('docs/configuration.md lists every variable that a command reads', async () => {
  const names = new Set<string>();
  for (const file of await readdir(folder)) {
    const text = await readFile(new URL(file, folder), 'utf8');
    const reads = /(?:\.env\(\s*|process\.env\.|process\.env\[)'?([A-Z][A-Z_]+)'?/g;
    for (const [, name = ''] of text.matchAll(reads)) names.add(name);
  }
  expect([...names]).toEqual(expect.arrayContaining(['MIGRATE_DATABASE_URL', 'ELASTICSEARCH_API_KEY']));
  const page = renderDocs()['docs/configuration.md'];
  for (const name of names) expect(page).toContain(`\n| \`${name}\``);
});
