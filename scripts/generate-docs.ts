import { writeFile } from 'node:fs/promises';
import { renderOpenApi } from './docs/openapi.ts';
import { renderDocs } from './docs/render.ts';

/** Writes the generated pages anew; test/unit/docs.test.ts and openapi.test.ts fail while they are behind the code. */
for (const [path, text] of Object.entries({ ...renderDocs(), ...(await renderOpenApi()) })) {
  await writeFile(new URL(`../${path}`, import.meta.url), text);
  console.log(path);
}
