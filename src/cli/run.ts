import type { Command } from 'commander';
import { EXIT } from './exit-codes.ts';
import { reportFailure } from './failure.ts';
import { misspeltVariables } from './misspelt-variables.ts';

/** Options of every command. */
export interface CommonOptions {
  json?: boolean;
}

/** Exits with `EXIT.usage` for a wrong command line. Subcommands inherit it if they are created afterwards. */
export function withExitCodes(program: Command): Command {
  return program.exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage));
}

/**
 * Runs the body of a command. Prints its result as JSON with `--json`, else in the format of `toText`. Prints an error to
 * standard error and sets the exit code.
 */
export async function run<Result>(
  options: CommonOptions,
  work: () => Promise<Result>,
  toText: (result: Result) => string,
): Promise<void> {
  for (const warning of misspeltVariables()) process.stderr.write(`warning: ${warning}\n`);
  try {
    const result = await work();
    await print(`${options.json === true ? JSON.stringify(result, null, 2) : toText(result)}\n`, result);
  } catch (thrown) {
    process.exitCode = await reportFailure(thrown, { json: options.json === true });
  }
}

/** Prints a result. @throws Error that names a new key whose credential is lost */
async function print(text: string, result: unknown): Promise<void> {
  const written = Promise.withResolvers<void>();
  // Besides the callback, the stream emits the error; without a listener it would end the process with a stack trace.
  process.stdout.once('error', () => {});
  process.stdout.write(text, (error) => (error ? written.reject(error) : written.resolve()));
  try {
    await written.promise;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const id = keyWithCredential(result);
    if (id !== undefined) {
      throw new Error(
        `The output cannot be written (${code}). The credential of the key ${id} is lost: rotate or revoke this key.`,
      );
    }
    // With EPIPE the reader has enough, as in `| head`.
    if (code !== 'EPIPE') throw new Error(`The output cannot be written (${code}).`);
  }
}

/** The id of the key whose credential a result contains. */
function keyWithCredential(result: unknown): string | undefined {
  if (typeof result !== 'object' || result === null) return undefined;
  const { id, key } = result as { id?: unknown; key?: unknown };
  if (typeof id === 'string' && typeof key === 'string') return id;
  return keyWithCredential(key);
}
