import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';

const SHOWN_LINES = 5;

interface LogLine {
  message?: string;
  error?: { message?: string };
}

/** Opens a log file, empty at each start, for a server whose output this process reads. */
export function openLogFile(path: string): { write: (line: string) => void; tail: () => Promise<string> } {
  const stream = createWriteStream(path, { mode: 0o600 });
  stream.on('error', () => {}); // a full disk must not end the local stack
  return { write: (line) => void stream.write(`${line}\n`), tail: () => logTail(path) };
}

/** Returns the last lines of a log in readable form: the message of an ECS line, any other line unchanged. */
export async function logTail(path: string): Promise<string> {
  const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  return [...lines.slice(-SHOWN_LINES).map(readable), `(full log: ${path})`]
    .map((line) => `  ${line}`)
    .join('\n');
}

function readable(line: string): string {
  try {
    const { message, error } = JSON.parse(line) as LogLine;
    return [message, error?.message].filter(Boolean).join(': ') || line;
  } catch {
    return line;
  }
}
