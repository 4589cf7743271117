import { spawn } from 'node:child_process';

/** Runs TypeScript text in a new Node process and returns its stdout after the exit, also after a signal. */
export function runScript(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', text], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    child.once('error', reject);
    // Not `close`: a server that outlives the script keeps its stderr open.
    child.once('exit', () => resolve(output.trim()));
  });
}
