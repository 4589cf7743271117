import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

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
