import { fileURLToPath } from 'node:url';
import { printedCommands } from './printed-commands.ts';
import { ProcessGroup } from './process-group.ts';
import { startStack } from './stack.ts';
import { openStateDirectory } from './state-directory.ts';
import { lockStateDirectory } from './state-lock.ts';
import { listenForStop } from './stop-request.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
/** The whole stack stops within ten seconds of the signal; the rest is for the SIGKILL that follows. */
const STOP_TIMEOUT_MS = 8_500;

/**
 * Runs the local stack until a signal or a failure stops it.
 * @throws Error with a readable message when a process does not start or exits; all processes have stopped by then
 */
export async function runDev(options: { reset: boolean; portBase: number }): Promise<void> {
  const startedAt = performance.now();
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1);
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const stop = listenForStop();
  const processes = new ProcessGroup(say);
  const state = await openStateDirectory(PROJECT);
  const unlock = await lockStateDirectory(state.directory);
  try {
    if (state.notice) say(state.notice);
    await startStack({ ...options, state, environment: process.env, processes, say, signal: stop.signal });
    say(printedCommands);
    say(`ready after ${seconds()} s: http://127.0.0.1:${options.portBase} (Ctrl-C stops everything)`);
    await Promise.race([stop.requested, processes.failed]);
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
  } finally {
    if (stop.signal.aborted) say(`Stopping (${stop.signal.reason}).`);
    await processes.stop(STOP_TIMEOUT_MS);
    await unlock();
  }
  if (stop.failure) throw stop.failure;
}
