import { fileURLToPath } from 'node:url';
import type { NodeChild } from './child.ts';

const probe = fileURLToPath(new URL('./probe.ts', import.meta.url));

/** Node arguments that load the probe into a measured process. */
export const probeNodeArgs = ['--expose-gc', '--import', probe];

/** Sends a command to the probe of a process that runs with `probeNodeArgs`. */
export async function callProbe<T>(
  child: NodeChild,
  command: 'memory' | 'start profile' | 'stop profile',
): Promise<T> {
  const reply = child.message<Record<string, T>>();
  child.process.send(command);
  return (await reply)[command] as T;
}
