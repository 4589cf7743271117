import { Redis } from 'ioredis';

/** Reads and writes Redis with full access, like an intruder. */
export class RedisAdmin {
  readonly client: Redis;

  constructor(url: string) {
    this.client = new Redis(url);
  }

  /** Every key with its serialised value and how long it lives. */
  async dump(): Promise<Map<string, { bytes: Buffer; ttlMs: number }>> {
    const contents = new Map<string, { bytes: Buffer; ttlMs: number }>();
    for (const name of await this.client.keys('*')) {
      const [bytes, ttlMs] = await Promise.all([this.client.dumpBuffer(name), this.client.pttl(name)]);
      if (bytes !== null) contents.set(name, { bytes, ttlMs });
    }
    return contents;
  }

  /** Puts back what was dumped, over what is there now, with the life it had then. */
  async restore(contents: Awaited<ReturnType<RedisAdmin['dump']>>): Promise<void> {
    for (const [name, { bytes, ttlMs }] of contents) {
      await this.client.restore(name, Math.max(ttlMs, 0), bytes, 'REPLACE');
    }
  }

  /** Every key with its value; the values of ours are strings. */
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
