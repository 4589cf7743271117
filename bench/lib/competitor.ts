import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bench } from './bench.ts';

/**
 * Installs the dependencies of a competitor on first use, in the exact versions of its package.json.
 * @returns path of the competitor's server script
 */
export async function installCompetitor(bench: Bench, name: string): Promise<string> {
  const directory = fileURLToPath(new URL(`../competitors/${name}`, import.meta.url));
  if (!existsSync(join(directory, 'node_modules'))) {
    bench.log(`installing ${name}`);
    const npm = spawn(
      'npm',
      ['install', '--legacy-peer-deps', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts'],
      { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const [code] = (await once(npm, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`npm install of ${name} failed (${code})`);
  }
  return join(directory, 'server.mjs');
}
