import { Redis } from 'ioredis';

/** Reads and writes Redis with full access, like an intruder. */
export class RedisAdmin {
  readonly client: Redis;

  constructor(url: string) {
    this.client = new Redis(url);
  }

  /** Dumps every key with its serialised value and its ttl. */
  async dump(): Promise<Map<string, { bytes: Buffer; ttlMs: number }>> {
    const contents = new Map<string, { bytes: Buffer; ttlMs: number }>();
    for (const name of await this.client.keys('*')) {
      const [bytes, ttlMs] = await Promise.all([this.client.dumpBuffer(name), this.client.pttl(name)]);
      if (bytes !== null) contents.set(name, { bytes, ttlMs });
    }
    return contents;
  }

  /** Restores a dump over the current values, with the dumped ttls. */
  async restore(contents: Awaited<ReturnType<RedisAdmin['dump']>>): Promise<void> {
    for (const [name, { bytes, ttlMs }] of contents) {
      await this.client.restore(name, Math.max(ttlMs, 0), bytes, 'REPLACE');
    }
  }

  /** Returns every key with its value; all values of the service are strings. */
  async values(): Promise<[name: string, value: Buffer][]> {
    const names = await this.client.keys('*');
    const values = names.length === 0 ? [] : await this.client.mgetBuffer(...names);
    return names.flatMap((name, index) => {
      const value = values[index];
      return value == null ? [] : [[name, value] as [string, Buffer]];
    });
  }

  close(): void {
    this.client.disconnect();
  }
}
