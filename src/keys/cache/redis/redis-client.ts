import { Cluster, Redis } from 'ioredis';
import { RedisConnector } from './redis-connector.ts';

/** The reply of `STORE_UNLESS_NEWER` if it stored over a fence that could not be true. */
export const REPLACED = 2;

/**
 * A client with the script `STORE_UNLESS_NEWER`, which returns 1 if it stored, 0 if the fence was newer, `REPLACED` if the fence was
 * above `highest`. An empty `highest` allows every fence.
 */
export type RedisClient = (Redis | Cluster) & {
  raiseFence(fence: string, version: string, fenceTtlMs: number, highest: string): Promise<number>;
  storeUnlessNewer(
    fence: string,
    redisKey: string,
    version: string,
    fenceTtlMs: number,
    highest: string,
    sealed: Buffer,
    ttlMs: number,
  ): Promise<number>;
};

/** Where Redis is. */
export interface RedisServer {
  url: string;
  /** Whether the URL names a node of a Redis Cluster. */
  cluster: boolean;
  /** PEM certificate authorities of `rediss://` servers; `undefined` for those of Node.js. */
  authorities?: string | undefined;
}

/** Closes a connection on which a reply is overdue for so long: a firewall may have dropped it. */
const SOCKET_TIMEOUT_MS = 2_000;

/**
 * KEYS: the fence of an API key; optionally the entry to store. ARGV: version in 16 hexadecimal digits and its proof, TTL of the
 * fence, optionally the highest version that can be true; value and TTL of the entry. The fence is the newest version that
 * any pod has seen; an older store loses. The script overwrites a value of another type or above the highest, which only an
 * intruder can leave there. Any other error, such as a missing permission, ends it: without the fence an older entry could win.
 */
const STORE_UNLESS_NEWER = `
local fence = redis.pcall('GETRANGE', KEYS[1], 0, 15)
if type(fence) == 'table' and not string.find(fence.err, 'WRONGTYPE', 1, true) then return fence end
local reply = 1
if type(fence) == 'string' and fence > ARGV[1] then
  if ARGV[3] == '' or fence <= ARGV[3] then return 0 end
  reply = ${REPLACED}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if KEYS[2] then redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5]) end
return reply`;

/**
 * Connects, and reconnects without a limit. Without a connection commands fail at once, and no command is repeated: a
 * late reply of a cache has no value.
 *
 * `commandTimeout` stays unset: ioredis applies it to its handshake too, so a timeout of a few milliseconds, right for
 * a lookup, can prevent every connection to a busy server. `RedisLink` has its own timeout.
 */
export function connectRedis({ url, cluster, authorities }: RedisServer): RedisClient {
  const tls =
    new URL(url).protocol === 'rediss:' ? { tls: authorities === undefined ? {} : { ca: authorities } } : {};
  const client = cluster ? connectCluster(new URL(url), tls) : connectSingle(url, tls);
  client.defineCommand('raiseFence', { numberOfKeys: 1, lua: STORE_UNLESS_NEWER });
  client.defineCommand('storeUnlessNewer', { numberOfKeys: 2, lua: STORE_UNLESS_NEWER });
  return client as RedisClient;
}

/**
 * Reads the beginnings of several values in one round trip; `null` for an empty value, a missing key and a value of another type. Not
 * MGET, which would read a value of any length into memory.
 */
export async function readRanges(
  client: RedisClient,
  ranges: readonly { redisKey: string; maxBytes: number }[],
): Promise<(Buffer | null)[]> {
  const pipeline = client.pipeline();
  for (const { redisKey, maxBytes } of ranges) pipeline.getrangeBuffer(redisKey, 0, maxBytes - 1);
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, value]) => {
    if (error !== null && !error.message.startsWith('WRONGTYPE')) throw error;
    return error === null && (value as Buffer).length > 0 ? (value as Buffer) : null;
  });
}

const connection = {
  Connector: RedisConnector,
  connectTimeout: 1_000,
  socketTimeout: SOCKET_TIMEOUT_MS,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
};

const commands = {
  enableOfflineQueue: false,
  enableAutoPipelining: true,
};

const retryDelayMs = (attempt: number) => Math.min(50 * attempt, 1_000);

interface TlsOptions {
  tls?: { ca?: string };
}

/** ioredis uses database 0 if it may not select that of the URL. Another program may own database 0. */
function connectSingle(url: string, tls: TlsOptions): Redis {
  const client = new Redis(url, { ...connection, ...commands, ...tls, retryStrategy: retryDelayMs });
  client.on('error', (error: { command?: { name?: string } }) => {
    if (error.command?.name === 'select') client.disconnect(true);
  });
  return client;
}

/** The cluster reports its nodes by address only, so user, password and TLS of the URL apply to all of them. */
function connectCluster({ hostname, port, username, password }: URL, tls: TlsOptions): Cluster {
  return new Cluster([{ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 6379) }], {
    ...commands,
    clusterRetryStrategy: retryDelayMs,
    redisOptions: {
      ...connection,
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...tls,
    },
    // Certificates name hosts, so host names must not be resolved to addresses.
    ...(tls.tls ? { dnsLookup: (address, callback) => callback(null, address) } : {}),
  });
}
