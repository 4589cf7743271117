import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** Compile cache of Node.js: compilation is most of the time of a short command. */
const NODE_COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/iam-test', import.meta.url));

/** Result of a run of the CLI. */
export interface IamResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs `iam` as a child process. */
export function iam(
  args: readonly string[],
  environment: Record<string, string> = {},
  input?: string,
): Promise<IamResult> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      {
        env: {
          PATH: process.env.PATH,
          NODE_COMPILE_CACHE,
          ARGON2_MEMORY_KIB: '8',
          CREDENTIAL_PREFIX: 'essu_dev',
          ...environment,
        },
      },
      (error, stdout, stderr) => {
        resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr });
      },
    );
    child.stdin?.end(input);
  });
}
