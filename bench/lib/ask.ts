import { fileURLToPath } from 'node:url';
import type { NodeChild } from './child.ts';

const probe = fileURLToPath(new URL('./probe.ts', import.meta.url));

/** Arguments of Node for a process that is going to be asked. */
export const probed = ['--expose-gc', '--import', probe];

/** Asks the probe in a process that was started with `probed`. */
export async function ask<T>(
  child: NodeChild,
  question: 'memory' | 'start profile' | 'stop profile',
): Promise<T> {
  const reply = child.message<Record<string, T>>();
  child.process.send(question);
  return (await reply)[question] as T;
}
