import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Reporter } from 'vitest/node';
import { findRedisBinary } from '../../dev/redis/binary.ts';
import { findChromium } from './find-chromium.ts';
import { OTHER_SHELLS } from './other-shells.ts';
import { canInstallPackages, findProgram, installPackage, installService } from './servers/apt.ts';
import { mayCreateHosts } from './servers/distant-host.ts';
import { installRedis } from './servers/install-redis.ts';
import { hasContainerEngine } from './servers/redis-provider.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A program outside of npm that some tests need. */
interface Tool {
  name: string;
  /** Support module of every test that needs the tool. */
  module: string;
  isPresent(): Promise<boolean>;
  install(): Promise<unknown>;
  remedy: string;
  /** What no package brings. Without it the tests are skipped, with `CI=true` too. */
  permission?: { isGranted(): Promise<boolean>; remedy: string };
}

const TOOLS: readonly Tool[] = [
  {
    name: 'Redis',
    module: 'test/support/servers/redis.ts',
    isPresent: async () =>
      Boolean(process.env.TEST_REDIS_URL || (await findRedisBinary()) || (await hasContainerEngine())),
    install: installRedis,
    remedy:
      'install redis-server or valkey-server, start Docker, or set TEST_REDIS_URL to a server whose databases may be emptied',
  },
  {
    name: 'Chromium',
    module: 'test/support/chromium.ts',
    isPresent: async () => findChromium() !== undefined,
    install: () => installPackage('chromium'),
    remedy: 'install chromium, or set TEST_CHROMIUM to its path',
  },
  {
    name: 'PgBouncer',
    module: 'test/support/servers/pgbouncer.ts',
    isPresent: async () => (await findProgram('pgbouncer')) !== undefined,
    install: () => installService('pgbouncer'),
    remedy: 'install pgbouncer',
  },
  {
    name: OTHER_SHELLS.join(' and '),
    module: 'test/support/other-shells.ts',
    isPresent: async () => (await Promise.all(OTHER_SHELLS.map(findProgram))).every(Boolean),
    install: async () => {
      for (const shell of OTHER_SHELLS) await installPackage(shell);
    },
    remedy: `install ${OTHER_SHELLS.join(' and ')}`,
  },
  {
    name: 'network namespaces',
    module: 'test/support/servers/distant-host.ts',
    isPresent: async () =>
      (await findProgram('ip')) !== undefined && (await findProgram('nsenter')) !== undefined,
    install: async () => {
      for (const name of ['iproute2', 'util-linux']) await installPackage(name);
    },
    remedy: 'install iproute2 and util-linux',
    permission: {
      isGranted: mayCreateHosts,
      remedy: 'run the tests as root with CAP_NET_ADMIN and CAP_SYS_ADMIN, on Linux',
    },
  },
];

/** Test files that cannot run on this machine. */
export interface SkippedFiles {
  tool: string;
  reason: string;
  /** Paths from the root of the repository. */
  files: readonly string[];
}

/**
 * Finds the test files under `folder` whose tool is missing. As root on Debian it installs the tool instead.
 * @throws Error with `CI=true`, unless only a permission is missing: a skipped test proves nothing
 */
export async function skipFilesWithoutTools(folder: string): Promise<SkippedFiles[]> {
  const skipped: SkippedFiles[] = [];
  const notPermitted: SkippedFiles[] = [];
  for (const tool of TOOLS) {
    if (tool.permission !== undefined && !(await tool.permission.isGranted())) {
      const files = filesThatImport(tool.module, folder);
      notPermitted.push({ tool: tool.name, reason: tool.permission.remedy, files });
      continue;
    }
    const reason = await whyMissing(tool);
    if (reason !== undefined)
      skipped.push({ tool: tool.name, reason, files: filesThatImport(tool.module, folder) });
  }
  if (process.env.CI === 'true' && skipped.length > 0) {
    throw new Error(
      skipped.map(({ tool, reason }) => `CI=true and ${tool} is missing: ${reason}.`).join('\n'),
    );
  }
  return [...skipped, ...notPermitted];
}

async function whyMissing(tool: Tool): Promise<string | undefined> {
  if (await tool.isPresent()) return undefined;
  if (!canInstallPackages()) return tool.remedy;
  try {
    await tool.install();
    return undefined;
  } catch (error) {
    return `${tool.remedy} (${(error as Error).message})`;
  }
}

function filesThatImport(module: string, folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(folder, name))
    .filter((file) => reaches(join(ROOT, file), join(ROOT, module), new Set()))
    .sort();
}

/** Follows the static imports of test code; product code imports no tool. */
function reaches(file: string, target: string, visited: Set<string>): boolean {
  if (file === target) return true;
  if (visited.has(file) || !relative(ROOT, file).startsWith('test')) return false;
  visited.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export)[^;]*? from '(\.[^']+)'/gms);
  return [...imports].some(([, path = '']) => reaches(join(dirname(file), path), target, visited));
}

/** Prints the skipped files at the end of the run. */
export class SkippedFilesReporter implements Reporter {
  readonly #skipped: readonly SkippedFiles[];

  constructor(skipped: readonly SkippedFiles[]) {
    this.#skipped = skipped;
  }

  onTestRunEnd(): void {
    for (const { tool, reason, files } of this.#skipped) {
      process.stdout.write(`\nSKIPPED ${files.length} test files without ${tool}: ${reason}.\n`);
      for (const file of files) process.stdout.write(`  ${file}\n`);
    }
  }
}
