import { createWriteStream } from 'node:fs';
import { logTail } from './service-log.ts';

/** A log file, emptied at each start, for a server whose output comes through us. */
export function serverLog(path: string): { write: (line: string) => void; tail: () => Promise<string> } {
  const stream = createWriteStream(path, { mode: 0o600 });
  stream.on('error', () => {}); // a full disk must not end the topology
  return { write: (line) => void stream.write(`${line}\n`), tail: () => logTail(path) };
}
