/**
 * Waits until both promises settle, even if one rejects: no process may still be starting while the others stop.
 * @throws the error of the first promise, else that of the second
 */
export async function settleBoth<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return [await first, await second];
}
