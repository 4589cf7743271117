import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nodeVersionProblem } from '../../../src/node-version.js';

const entry = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** A Node.js on the PATH that is too old, if the machine has one. */
const oldNode = (process.env.PATH ?? '')
  .split(delimiter)
  .map((directory) => join(directory, 'node'))
  .find(
    (path) =>
      existsSync(path) && nodeVersionProblem(execFileSync(path, ['-p', 'process.versions.node']).toString()),
  );

/** Runs the current Node.js with another version number. */
const PRETEND_NODE_20 =
  'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.20.2"})';
const runtimes: [name: string, node: string, args: string[]][] = [
  ['the current Node.js as version 20', process.execPath, ['--import', PRETEND_NODE_20]],
  ...(oldNode === undefined ? [] : [['an old Node.js', oldNode, []] as [string, string, string[]]]),
];

function run(node: string, args: readonly string[]) {
  return new Promise<{ exitCode: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(node, args, (error, stdout, stderr) => resolve({ exitCode: error?.code ?? 0, stdout, stderr }));
  });
}

describe.each(['src/main.js', 'dev/main.js'])('%s', (path) => {
  it.each(runtimes)(
    'names the required version in one sentence and exits with 2 on %s',
    async (_name, node, args) => {
      const { exitCode, stdout, stderr } = await run(node, [...args, entry(path), '--help']);
      expect([exitCode, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^error: Node\.js 24 or newer is required; this is \d+\.\d+\.\d+\. .+\n$/);
    },
  );

  it('starts on the current Node.js', async () => {
    expect(await run(process.execPath, [entry(path), '--help'])).toMatchObject({ exitCode: 0, stderr: '' });
  });
});

it.each([
  ['20.20.2', true],
  ['22.19.0', true],
  ['24.0.0', false],
  ['26.1.0', false],
])('decides about version %s', (version, tooOld) => {
  expect(nodeVersionProblem(version) !== undefined).toBe(tooOld);
});
