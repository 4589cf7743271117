import type { Command } from 'commander';
import { UsageError } from './command-failure.ts';
import { withExitCodes } from './run.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** The words that may follow a command: its subcommands and its options. */
type Words = ReadonlyMap<string, readonly string[]>;

/** `iam completion` @param program with all of its commands */
export function registerCompletionCommand(program: Command): void {
  withExitCodes(program)
    .command('completion')
    .argument('<shell>', SHELLS.join(', '))
    .description('Print a script that completes commands and options.')
    .addHelpText(
      'after',
      `
  bash: iam completion bash > ~/.local/share/bash-completion/completions/iam
  zsh:  iam completion zsh > "\${fpath[1]}/_iam"
  fish: iam completion fish > ~/.config/fish/completions/iam.fish`,
    )
    .action((shell: string) => {
      if (!SHELLS.some((known) => known === shell))
        throw new UsageError(`Choose a shell: ${SHELLS.join(', ')}.`);
      process.stdout.write(scripts[shell as (typeof SHELLS)[number]](wordsOf(program)));
    });
}

function wordsOf(command: Command, path: readonly string[] = []): Words {
  const subcommands = command.commands.map((one) => one.name());
  const options = command.options.map(({ long }) => long).filter((long) => long != null);
  const words = new Map<string, readonly string[]>([
    [path.join(' '), [...subcommands, ...options, '--help']],
  ]);
  for (const one of command.commands) {
    for (const entry of wordsOf(one, [...path, one.name()])) words.set(...entry);
  }
  return words;
}

const cases = (words: Words) =>
  [...words].map(([path, next]) => `    "${path}") words="${next.join(' ')}" ;;`).join('\n');

const scripts: Record<(typeof SHELLS)[number], (words: Words) => string> = {
  bash: (words) => `# bash completion of iam
_iam() {
  local path="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  while true; do
    case "$path" in
${cases(words)}
    esac
    [[ -n "$words" || -z "$path" ]] && break
    # An argument, such as an id, is not part of the command.
    case "$path" in *" "*) path="\${path% *}" ;; *) path="" ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _iam iam
`,
  zsh: (words) => `#compdef iam
_iam() {
  local path_="" word words_=""
  for word in "\${words[@]:1:CURRENT-2}"; do
    case "$word" in -*) ;; *) path_="\${path_:+$path_ }$word" ;; esac
  done
  while true; do
    case "$path_" in
${cases(words).replaceAll(' words=', ' words_=')}
    esac
    [[ -n "$words_" || -z "$path_" ]] && break
    # An argument, such as an id, is not part of the command.
    case "$path_" in *" "*) path_="\${path_% *}" ;; *) path_="" ;; esac
  done
  compadd -- \${=words_}
}
_iam "$@"
`,
  fish: (words) =>
    [
      '# fish completion of iam',
      'complete -c iam -f',
      ...[...words].flatMap(([path, next]) => {
        const parts = path.split(' ').filter(Boolean);
        const condition =
          parts.length === 0
            ? '__fish_use_subcommand'
            : parts.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and ');
        return next.map((word) =>
          word.startsWith('--')
            ? `complete -c iam -n '${condition}' -l ${word.slice(2)}`
            : `complete -c iam -n '${condition}' -a ${word}`,
        );
      }),
      '',
    ].join('\n'),
};
