import { availableParallelism } from 'node:os';
import { threadPoolSize } from '../../src/cli/thread-pool.ts';

/**
 * Nothing but argon2: verifies what it is sent, as many at a time as the regional service would, with a thread pool of
 * the same size. Announces that it is up; then pairs come in and a rate goes out.
 */
process.env.UV_THREADPOOL_SIZE = String(threadPoolSize(undefined));
const { default: argon2 } = await import('argon2');

interface Hashed {
  secret: string;
  secretHash: string;
}

process.on('message', (batch: Hashed[]) => void verifyAll(batch));
process.on('disconnect', () => process.exit());
process.send?.('up');

async function verifyAll(batch: readonly Hashed[]): Promise<void> {
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
