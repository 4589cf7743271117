import { availableParallelism } from 'node:os';
import { threadPoolSize } from '../../src/cli/thread-pool.ts';

/**
 * Baseline with argon2 only. It verifies each received batch with the concurrency and the thread pool size of the
 * regional service and sends the rate. Its first message is `ready`.
 */
process.env.UV_THREADPOOL_SIZE = String(threadPoolSize(undefined));
const { default: argon2 } = await import('argon2');

interface HashedSecret {
  secret: string;
  secretHash: string;
}

process.on('message', (batch: HashedSecret[]) => void verifyAll(batch));
process.on('disconnect', () => process.exit());
process.send?.('ready');

async function verifyAll(batch: readonly HashedSecret[]): Promise<void> {
  const startedAtMs = performance.now();
  let next = 0;
  const worker = async () => {
    for (let hashed = batch[next++]; hashed !== undefined; hashed = batch[next++]) {
      if (!(await argon2.verify(hashed.secretHash, hashed.secret)))
        throw new Error('a secret does not match');
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  process.send?.({ perSecond: batch.length / ((performance.now() - startedAtMs) / 1_000) });
}
