import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { findRedisBinary } from '../../../dev/redis/binary.ts';
import { installPackage } from './apt.ts';

const POLICY = '/usr/sbin/policy-rc.d';

/**
 * Installs Debian's redis-server and returns the path of the binary. The package's own service stays off: with systemd only a
 * policy-rc.d prevents it, so this function creates one during the installation (unless the machine has one, as container
 * images do). That policy refuses only redis-server, and only while this process runs, so it is harmless after a kill.
 */
export async function installRedis(): Promise<string> {
  const ownPolicy = !existsSync(POLICY);
  if (ownPolicy) {
    const script = `#!/bin/sh\n[ "$1" = redis-server ] && kill -0 ${process.pid} 2>/dev/null && exit 101\nexit 0\n`;
    await writeFile(POLICY, script, { mode: 0o755, flag: 'wx' });
  }
  try {
    await installPackage('redis-server');
  } finally {
    if (ownPolicy) await rm(POLICY, { force: true });
  }
  const binary = await findRedisBinary();
  if (!binary) throw new Error('apt-get installed redis-server, but the PATH has no such binary.');
  return binary;
}
