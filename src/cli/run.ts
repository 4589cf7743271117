import type { Command } from 'commander';
import { failureOf } from './command-failure.ts';
import { EXIT } from './exit-codes.ts';

/** Options that every command has. */
export interface CommonOptions {
  json?: boolean;
}

/** Makes wrong use of the command line end with its own exit code; sub-commands made afterwards inherit it. */
export function withExitCodes(program: Command): Command {
  return program.exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage));
}

/**
 * Runs the body of a command: prints what it answers, as JSON with `--json` and else as `human` writes it, and turns
 * what it throws into messages on standard error and an exit code.
 */
export async function run<Answer>(
  options: CommonOptions,
  work: () => Promise<Answer>,
  human: (answer: Answer) => string,
): Promise<void> {
  try {
    const answer = await work();
    process.stdout.write(`${options.json === true ? JSON.stringify(answer, null, 2) : human(answer)}\n`);
  } catch (thrown) {
    const failure = failureOf(thrown);
    process.stderr.write(
      options.json === true
        ? `${JSON.stringify({ errors: failure.errors }, null, 2)}\n`
        : `${failure.errors.map((error) => `error: ${error.message}`).join('\n')}\n`,
    );
    process.exitCode = failure.exitCode;
  }
}
