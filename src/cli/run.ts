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
    process.stdout.write(`${options.json === true ? JSON.stringify(result, null, 2) : toText(result)}\n`);
  } catch (thrown) {
    process.exitCode = await reportFailure(thrown, { json: options.json === true });
  }
}
