import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { renderDocs } from '../../../scripts/docs/render.ts';

const root = new URL('../../../', import.meta.url);
const pages = Object.entries(renderDocs());

it.each(pages)('%s is up to date (npm run docs)', async (path, text) => {
  expect(await readFile(new URL(path, root), 'utf8')).toBe(text);
});

it('the metrics page lists every metric of the code', async () => {
  const page = renderDocs()['docs/metrics.md'];
  const names = new Set<string>();
  for (const file of await readdir(new URL('src', root), { recursive: true })) {
    if (!file.endsWith('.ts')) continue;
    const text = await readFile(new URL(`src/${file}`, root), 'utf8');
    for (const [, name] of text.matchAll(
      /'(iam_[a-z0-9_]+_(?:total|seconds|bytes|state|connected|keys|running|waiting))'/g,
    )) {
      if (name !== undefined) names.add(name);
    }
  }
  expect(names.size).toBeGreaterThan(1);
  for (const name of names) expect(page).toContain(`\`${name}\``);
});

it('every relative link of every page resolves', async () => {
  const files = (await readdir(new URL('docs', root), { recursive: true })).map((name) => `docs/${name}`);
  for (const page of ['README.md', 'CHANGELOG.md', ...files].filter((name) => name.endsWith('.md'))) {
    const text = await readFile(new URL(page, root), 'utf8');
    for (const [, link] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (link === undefined || link.includes('://')) continue;
      const target = new URL(link, new URL(page, root));
      await expect(
        readFile(target).catch((error) => (error.code === 'EISDIR' ? 'a folder' : Promise.reject(error))),
        `${page}: ${link}`,
      ).resolves.toBeTruthy();
    }
  }
});
