import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { findRedisBinary } from '../../../dev/redis/binary.ts';

const APT = '/usr/bin/apt-get';
const POLICY = '/usr/sbin/policy-rc.d';

function apt(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // RUNLEVEL=1 tells invoke-rc.d that this is no time to start services.
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
      else reject(new Error(`apt-get ${args.join(' ')} ended with ${code}:\n${output.slice(-2_000)}`));
    });
  });
}

export function canInstallWithApt(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version') && existsSync(APT);
}

/**
 * Installs Debian's redis-server and gives the binary's path. The service that the package would start stays
 * off: where systemd runs only a policy-rc.d prevents it, so one is put there for as long as the installation
 * takes (unless the machine has its own, as container images do). It says no for redis-server only, and only
 * while this process lives, so it does no harm when we are killed before it is taken away.
 */
export async function installRedisWithApt(): Promise<string> {
  const ownPolicy = !existsSync(POLICY);
  if (ownPolicy) {
    const script = `#!/bin/sh\n[ "$1" = redis-server ] && kill -0 ${process.pid} 2>/dev/null && exit 101\nexit 0\n`;
    await writeFile(POLICY, script, { mode: 0o755, flag: 'wx' });
  }
  try {
    await apt(['update']);
    await apt(['install', '--yes', '--no-install-recommends', 'redis-server']);
  } finally {
    if (ownPolicy) await rm(POLICY, { force: true });
  }
  const binary = await findRedisBinary();
  if (!binary) throw new Error('apt-get installed redis-server, but no such binary is on the PATH.');
  return binary;
}
