/**
 * Runs a start. If it fails, this closes what it has opened, in the reverse order.
 * @throws the error of the start
 */
export async function startOrClose<Started>(
  start: (opened: AsyncDisposableStack) => Promise<Started>,
): Promise<Started> {
  const opened = new AsyncDisposableStack();
  try {
    return await start(opened);
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}
