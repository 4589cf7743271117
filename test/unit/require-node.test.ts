import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { MINIMUM_NODE_MAJOR, nodeVersionProblem } from '../../src/require-node.js';

/** A Node.js on the PATH that is too old, such as that of the system. */
function findOldNode(): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((directory) => join(directory, 'node'))
    .filter((path) => existsSync(path))
    .find((path) => nodeVersionProblem(versionOf(path)) !== undefined);
}

function versionOf(node: string): string {
  return execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim();
}

function runEntry(entry: string, node: string, nodeOptions: readonly string[] = []) {
  const main = fileURLToPath(new URL(`../../${entry}`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(node, [...nodeOptions, main, '--help'], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

const refusal = (version: string) => ({
  status: 2,
  stdout: '',
  stderr: `error: Node.js 24 or later is required, but this is Node.js ${version}.\n`,
});

describe('the required version of Node.js', () => {
  it.each(['18.20.8', '20.20.2', '22.18.0', '23.11.1'])('excludes %s', (version) => {
    expect(nodeVersionProblem(version)).toContain(version);
  });

  it.each(['24.0.0', '24.21.0', '25.1.0-nightly', '100.0.0'])('includes %s', (version) => {
    expect(nodeVersionProblem(version)).toBeUndefined();
  });

  it('is the one that package.json states', () => {
    expect(packageJson.engines.node).toBe(`>=${MINIMUM_NODE_MAJOR}`);
  });
});

describe.each(['src/main.js', 'dev/main.js'])('%s', (entry) => {
  it('exits with 2 and one sentence when Node.js reports an older version', () => {
    const fake = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`;
    const result = runEntry(entry, process.execPath, ['--import', `data:text/javascript,${fake}`]);
    expect(result).toEqual(refusal('20.20.2'));
  });

  // Only a real old Node.js shows that the file still parses there.
  const oldNode = findOldNode();
  it.skipIf(oldNode === undefined)('exits with 2 and one sentence on an older Node.js', () => {
    const node = oldNode as string;
    expect(runEntry(entry, node)).toEqual(refusal(versionOf(node)));
  });
});
