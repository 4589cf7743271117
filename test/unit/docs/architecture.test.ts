import { access, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

const root = new URL('../../../', import.meta.url);
const page = await readFile(new URL('docs/architecture.md', root), 'utf8');
const cells = (line: string) => line.split('|').map((cell) => cell.trim());
const names = (cell: string | undefined) => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name);

it('the table of imports is the one that npm run check enforces', async () => {
  const enforced = JSON.parse(await readFile(new URL('.dependency-directions.json', root), 'utf8'));
  const rows = page.split('## Three walks')[0]?.match(/^\| `.*$/gm) ?? [];
  const stated = rows.map(cells).map(([, place, , imports]) => [names(place)[0], names(imports)]);
  const short = (place: string) => place.replace(/^src\//, '');
  expect(Object.fromEntries(stated)).toEqual(
    Object.fromEntries(
      Object.entries<string[]>(enforced).map(([place, imports]) => [place, imports.map(short)]),
    ),
  );
});

it('every file of the walks exists', async () => {
  const files = [...page.matchAll(/^\| \d+ +\| `([^`]+)`/gm)].map(([, file]) => file ?? '');
  expect(files.length).toBeGreaterThan(40);
  for (const file of files) await expect(access(new URL(file, root)), file).resolves.toBeUndefined();
});
