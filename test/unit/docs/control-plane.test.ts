import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { EXIT } from '../../../src/cli/exit-codes.ts';

const page = await readFile(new URL('../../../docs/control-plane.md', import.meta.url), 'utf8');

it('docs/control-plane.md lists every exit code', () => {
  for (const code of Object.values(EXIT)) expect(page).toMatch(new RegExp(`^\\| ${code} \\| `, 'm'));
});
