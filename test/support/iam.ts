import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
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
        maxBuffer: 64 * 1_048_576,
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

/** Runs `iam` and kills it with SIGKILL as soon as it has printed the text. */
export async function iamKilledAt(
  text: string,
  args: readonly string[],
  environment: Record<string, string>,
): Promise<void> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE, CREDENTIAL_PREFIX: 'essu_dev', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      printed += chunk;
      if (printed.includes(text)) child.kill('SIGKILL');
    });
  }
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal !== 'SIGKILL') throw new Error(`iam ended without printing "${text}": ${printed}`);
}

/** Runs `iam` on a pseudo-terminal (script of util-linux) that types the answers, one line each, after its questions. */
export async function iamOnTerminal(
  args: readonly string[],
  environment: Record<string, string>,
  answers: readonly (readonly [question: RegExp, answer: string])[] = [],
): Promise<{ exitCode: number | null; screen: string }> {
  const command = [process.execPath, main, ...args]
    .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
    .join(' ');
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE,
      TERM: 'xterm-256color',
      CREDENTIAL_PREFIX: 'essu_dev',
      ...environment,
    },
  });
  let screen = '';
  let answered = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    const [question, answer] = answers[answered] ?? [];
    if (question === undefined || !question.test(screen)) return;
    answered += 1;
    child.stdin.write(`${answer}\n`);
  });
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, screen };
}

/** Runs `iam audit --follow --json`. */
export function followAudit(
  args: readonly string[],
  environment: Record<string, string>,
): { next: () => Promise<unknown>; stop: () => void } {
  const child = spawn(process.execPath, [main, 'audit', '--follow', '--json', ...args], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    next: async () => JSON.parse((await lines.next()).value ?? 'null'),
    stop: () => void child.kill(),
  };
}

/** Runs a service as a child process with no settings but these. Resolves when it listens. */
export async function startIamService(
  command: 'regional' | 'control-plane',
  settings: Record<string, string>,
): Promise<{ url: string; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [main, command], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /listening on (\S+),/.exec(line) ?? [];
    if (url !== undefined) return { url, stop };
  }
  throw new Error(`iam ${command} exited before it listened`);
}
