import { writeFile } from 'node:fs/promises';
import { renderDocs } from './docs/render.ts';

/** Writes the generated pages anew; test/unit/docs.test.ts fails while they are behind the code. */
for (const [path, text] of Object.entries(renderDocs())) {
  await writeFile(new URL(`../${path}`, import.meta.url), text);
  console.log(path);
}
