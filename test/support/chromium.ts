import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type BrowserContext, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Nothing of the browser's own goes out to the network, and nothing of the machine's user is read. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A real headless Chromium with a fresh profile. */
export async function startChromium(): Promise<{ context: BrowserContext; close(): Promise<void> }> {
  const executablePath = findChromium() ?? (await installChromium());
  const profile = await mkdtemp(join(tmpdir(), 'regional-iam-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    chromiumSandbox: false,
    args: FLAGS,
    viewport: { width: 1400, height: 1000 },
  });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function findChromium(): string | undefined {
  const { TEST_CHROMIUM, PATH = '' } = process.env;
  if (TEST_CHROMIUM) return TEST_CHROMIUM;
  return PATH.split(delimiter)
    .flatMap((directory) => NAMES.map((name) => join(directory, name)))
    .find((path) => existsSync(path));
}

/** @throws Error that says what to install */
async function installChromium(): Promise<string> {
  const run = promisify(execFile);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args: string[]) =>
    run('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=120', ...args], { env });
  let reason = 'only root on Debian can have it installed from here';
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    try {
      await apt('update');
      await apt('install', '--yes', '--no-install-recommends', 'chromium');
    } catch (error) {
      reason = `apt-get failed: ${(error as Error).message}`;
    }
  }
  const found = findChromium();
  if (found !== undefined) return found;
  throw new Error(
    `The test of the reference page needs Chromium. Put chromium on the PATH or set TEST_CHROMIUM to its path (${reason}).`,
  );
}
