import { fileURLToPath } from 'node:url';
import { Parts } from './parts.ts';
import { printedCommands } from './printed-commands.ts';
import { openStateDirectory } from './state-directory.ts';
import { lockStateDirectory } from './state-lock.ts';
import { untilAskedToStop } from './stop-request.ts';
import { startTopology } from './topology.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
/** Everything is gone within ten seconds of the signal: this, and a moment for the kill that follows. */
const STOP_TIMEOUT_MS = 8_500;

/**
 * Runs the development topology until it is asked to stop.
 * @throws Error for a person when something does not come up or is lost; everything has been stopped by then
 */
export async function runDev(options: { reset: boolean; portBase: number }): Promise<void> {
  const startedAt = performance.now();
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1);
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const stop = untilAskedToStop();
  const parts = new Parts(say);
  const state = await openStateDirectory(PROJECT);
  const unlock = await lockStateDirectory(state.directory);
  try {
    if (state.notice) say(state.notice);
    await startTopology({ ...options, state, environment: process.env, parts, say, signal: stop.signal });
    say(printedCommands);
    say(`ready after ${seconds()} s: http://127.0.0.1:${options.portBase} (Ctrl-C stops everything)`);
    await Promise.race([stop.asked, parts.failed]);
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
  } finally {
    if (stop.signal.aborted) say(`Stopping (${stop.signal.reason}).`);
    await parts.stop(STOP_TIMEOUT_MS);
    await unlock();
  }
  if (stop.failure) throw stop.failure;
}
