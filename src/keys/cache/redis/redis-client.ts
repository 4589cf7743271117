import { Cluster, Redis } from 'ioredis';

/** A connected client, with `STORE_UNLESS_NEWER`: 1 when something was stored, 0 when a newer version was seen. */
export type RedisClient = (Redis | Cluster) & {
  raiseFence(fence: string, version: string, fenceTtlMs: number): Promise<number>;
  storeUnlessNewer(
    fence: string,
    place: string,
    version: string,
    fenceTtlMs: number,
    sealed: Buffer,
    ttlMs: number,
  ): Promise<number>;
};

/** A connection that owes an answer and has said nothing for this long is given up: a firewall may have dropped it. */
const SILENCE_MS = 2_000;

/**
 * Keys: the fence of an API key, and the entry to store, if any. Arguments: version in 16 hexadecimal digits, life of the
 * fence; value and life of the entry. A fence is the newest version that was seen: nothing older is stored. Something
 * of another type, which nobody but an intruder leaves there, is overwritten.
 */
const STORE_UNLESS_NEWER = `
local seen = redis.pcall('GETRANGE', KEYS[1], 0, 15)
if type(seen) == 'string' and seen > ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if KEYS[2] then redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4]) end
return 1`;

/**
 * Connects, and goes on connecting for as long as it takes. While there is no connection commands fail at once, and
 * none is repeated: a cache that answers late is worth nothing.
 *
 * No `commandTimeout`: ioredis applies it to its handshake as well, and a deadline of a few milliseconds, right for a
 * lookup, then keeps it from ever connecting to a server that is a little busy. `RedisLink` has its own deadline.
 */
export function connectRedis(url: string, cluster: boolean): RedisClient {
  const client = cluster ? connectCluster(new URL(url)) : connectSingle(url);
  client.defineCommand('raiseFence', { numberOfKeys: 1, lua: STORE_UNLESS_NEWER });
  client.defineCommand('storeUnlessNewer', { numberOfKeys: 2, lua: STORE_UNLESS_NEWER });
  return client as RedisClient;
}

const connection = {
  connectTimeout: 1_000,
  socketTimeout: SILENCE_MS,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
};

const commands = {
  enableOfflineQueue: false,
  enableAutoPipelining: true,
  autoPipeliningIgnoredCommands: ['mget'], // reads come in batches already
};

const pauseMs = (attempt: number) => Math.min(50 * attempt, 1_000);

function connectSingle(url: string): Redis {
  return new Redis(url, { ...connection, ...commands, retryStrategy: pauseMs });
}

/** The other nodes are met by address only: what the URL says beside the address counts for them too. */
function connectCluster({ protocol, hostname, port, username, password }: URL): Cluster {
  const tls = protocol === 'rediss:';
  return new Cluster([{ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 6379) }], {
    ...commands,
    clusterRetryStrategy: pauseMs,
    redisOptions: {
      ...connection,
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(tls ? { tls: {} } : {}),
    },
    // Certificates are for names: those are left as they are.
    ...(tls ? { dnsLookup: (address, callback) => callback(null, address) } : {}),
  });
}
