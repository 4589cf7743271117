import { spawn } from 'node:child_process';

/** Runs TypeScript text in a Node process of its own, to its end (also by a signal), and gives its stdout. */
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
    // Not `close`: a server that outlives the script holds its stderr.
    child.once('exit', () => resolve(output.trim()));
  });
}
