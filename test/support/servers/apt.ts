import { spawn } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { access, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

const APT = '/usr/bin/apt-get';

/** Whether this process can install Debian packages. */
export function canInstallPackages(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version') && existsSync(APT);
}

/** Installs a Debian package and announces it first. @throws Error with the end of apt-get's output */
export async function installPackage(name: string): Promise<void> {
  process.stderr.write(`The tests need ${name}. Installing Debian's package: apt-get install ${name}\n`);
  await apt(['update']);
  await apt(['install', '--yes', '--no-install-recommends', name]);
}

const POLICY = '/usr/sbin/policy-rc.d';

/**
 * Installs a Debian package whose service stays off. With systemd only a policy-rc.d prevents the start, so this function
 * creates one during the installation (unless the machine has one, as container images do). That policy refuses only this
 * service, and only while this process runs, so it is harmless after a kill.
 */
export async function installService(name: string): Promise<void> {
  const ownPolicy = !existsSync(POLICY);
  if (ownPolicy) {
    const script = `#!/bin/sh\n[ "$1" = ${name} ] && kill -0 ${process.pid} 2>/dev/null && exit 101\nexit 0\n`;
    await writeFile(POLICY, script, { mode: 0o755, flag: 'wx' });
  }
  try {
    await installPackage(name);
  } finally {
    if (ownPolicy) await rm(POLICY, { force: true });
  }
}

/** Absolute path of a program; Debian's servers are in directories that the PATH of a user may omit. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), '/usr/sbin']) {
    const candidate = join(folder, name);
    const found = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return undefined;
}

function apt(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // RUNLEVEL=1 tells invoke-rc.d not to start services.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    const child = spawn(APT, ['-qq', '-o', 'DPkg::Lock::Timeout=120', ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`apt-get ${args.join(' ')} exited with ${code}:\n${output.slice(-2_000)}`));
    });
  });
}
