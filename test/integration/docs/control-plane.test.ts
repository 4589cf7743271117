import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { redact } from '../../../src/http/logger.ts';
import { createDevProject, type DevProject, type DevRun } from '../../support/dev-project.ts';
import { freePortBase } from '../../support/free-port-base.ts';

const page = await readFile(new URL('../../../docs/control-plane.md', import.meta.url), 'utf8');

let project: DevProject;
let run: DevRun;
beforeAll(async () => {
  project = await createDevProject();
  run = await project.start('--port-base', String(await freePortBase()));
  await run.line(/^ready/);
}, 120_000);
afterAll(async () => {
  await run?.stop();
  await project?.remove();
});

it('prints what docs/control-plane.md shows for each command of its walk-through', async () => {
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, lines]) => lines ?? '');
  expect(blocks.length).toBeGreaterThan(4);
  const script = blocks.join('\n');
  const promised = [...script.matchAll(/^authenticate .*# (\d{3})$/gm)].map(([, status]) => status);
  expect(promised).toHaveLength(8);
  const output = await project.paste(`exec 2>&1\n${script}\necho "$CREATED"`);
  const responses = output.split('\n').filter((line) => /^\d{3}$/.test(line));
  expect(responses, redact(output)).toEqual(promised);
}, 60_000);
