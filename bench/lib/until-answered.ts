import { exchange } from './exchange.ts';

const EVERY_MS = 2;
const GIVE_UP_MS = 30_000;

/** Sends the request, over and over, until it is answered with 200. */
export async function untilAnswered(port: number, request: Uint8Array): Promise<void> {
  const deadline = performance.now() + GIVE_UP_MS;
  while (performance.now() < deadline) {
    const answer = await exchange(port, request).catch(() => undefined);
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Error(`port ${port} did not answer within ${GIVE_UP_MS / 1_000} s`);
}
