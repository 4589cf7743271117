import { writeFile } from 'node:fs/promises';
import { renderOpenApi } from './docs/openapi.ts';
import { renderDocs } from './docs/render.ts';

/** Regenerates the pages; test/unit/docs fails while a page differs from the code. */
for (const [path, text] of Object.entries({ ...renderDocs(), ...(await renderOpenApi()) })) {
  await writeFile(new URL(`../${path}`, import.meta.url), text);
  console.log(path);
}
