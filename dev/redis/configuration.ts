export interface RedisSettings {
  port: number;
  /** Absolute. With it a snapshot (dump.rdb) survives a restart; without it nothing is ever written. */
  directory?: string | undefined;
  password?: string | undefined;
  /** In Redis' own notation, such as `64mb`; the least recently used keys make room. */
  maxmemory?: string | undefined;
}

/** A value in double quotes, as the configuration grammar of Redis has it. */
function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`;
}

/** Lines of a configuration file. They go in through stdin, so that no password shows in the process list. */
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
