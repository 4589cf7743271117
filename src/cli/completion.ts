import { Argument, type Command } from 'commander';
import { completionScripts, SHELLS } from './completion-scripts.ts';
import { completionWords } from './completion-words.ts';
import { oneOf } from './option-values.ts';
import { withExitCodes } from './run.ts';

/** `iam completion` @param program with all of its commands */
export function registerCompletionCommand(program: Command): void {
  withExitCodes(program)
    .command('completion')
    .addArgument(
      new Argument('<shell>', 'shell that reads the script')
        .choices(SHELLS)
        .argParser((text) => oneOf('The shell', text, SHELLS)),
    )
    .description('Print a script that completes commands and options.')
    .addHelpText(
      'after',
      `
  bash: iam completion bash > ~/.local/share/bash-completion/completions/iam
  zsh:  iam completion zsh > "\${fpath[1]}/_iam"
  fish: iam completion fish > ~/.config/fish/completions/iam.fish`,
    )
    .action((shell: (typeof SHELLS)[number]) => {
      process.stdout.write(completionScripts[shell](completionWords(program)));
    });
}
