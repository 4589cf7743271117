import { findRedisBinary } from '../../../dev/redis/binary.ts';
import { installService } from './apt.ts';

/** Installs Debian's redis-server and returns the path of the binary. */
export async function installRedis(): Promise<string> {
  await installService('redis-server');
  const binary = await findRedisBinary();
  if (!binary) throw new Error('apt-get installed redis-server, but the PATH has no such binary.');
  return binary;
}
