import { readFile } from 'node:fs/promises';

const SHOWN_LINES = 5;

interface LogLine {
  message?: string;
  error?: { message?: string };
}

/** The last lines of a service's log for a person: the message of each ECS line, anything else as it is. */
export async function logTail(path: string): Promise<string> {
  const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  return [...lines.slice(-SHOWN_LINES).map(readable), `(all of it: ${path})`]
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
