export interface RedisSettings {
  port: number;
  /** Absolute. With a directory a snapshot (dump.rdb) survives a restart; without one Redis writes no file. */
  directory?: string | undefined;
  password?: string | undefined;
  /** In the notation of Redis, such as `64mb`; Redis then evicts the least recently used keys. */
  maxmemory?: string | undefined;
}

/** Quotes a value for a Redis configuration file. */
function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`;
}

/** Text of a configuration file. Redis reads it from stdin, so the process list shows no password. */
export function redisConfiguration(settings: RedisSettings): string {
  const { port, directory, password, maxmemory } = settings;
  return [
    `port ${port}`,
    'bind 127.0.0.1',
    'daemonize no',
    'supervised no',
    'logfile ""',
    'appendonly no',
    ...(directory
      ? [`dir ${quoted(directory)}`, 'save 60 1', `pidfile ${quoted(pidFile(directory))}`]
      : ['save ""']),
    ...(password ? [`requirepass ${quoted(password)}`] : []),
    ...(maxmemory ? [`maxmemory ${maxmemory}`, 'maxmemory-policy allkeys-lru'] : []),
    '',
  ].join('\n');
}

export function pidFile(directory: string): string {
  return `${directory}/redis.pid`;
}
