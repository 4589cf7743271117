/**
 * Waits for two pieces of work, also when one fails: nothing may still be starting while the rest is being stopped.
 * @throws what the first one, or else the second one, threw
 */
export async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return [await first, await second];
}
