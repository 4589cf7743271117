import type { CompletionWords, ValueKind } from './completion-words.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** The completion script of each shell. All of them find the command first, and skip the values of options for it. */
export const completionScripts: Record<(typeof SHELLS)[number], (words: CompletionWords) => string> = {
  bash: (words) => `# bash completion of iam
_iam_files() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -P "$2" -f -- "$1"))
  compopt -o filenames 2>/dev/null
}
_iam() {
  local path="" option="" joined="" last="" word words="" cur="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    last="$word"
    # Bash splits --status=all, security:soc and @file at these characters.
    case "$word" in [=:@]|[=:@][=:@]) [[ -n "$option" ]] || joined=1; continue ;; esac
    if [[ -n "$joined" ]]; then joined=""; continue; fi
    if [[ -n "$option" ]]; then option=""; continue; fi
    case "$word" in
      ${optionPattern(words)}) option="$word" ;;
      -*) ;;
      *) path="\${path:+$path }$word" ;;
    esac
  done
  case "$cur" in [=:@]|[=:@][=:@]) [[ -n "$option" ]] || joined=1; last="$cur"; cur="" ;; esac
  [[ -z "$joined" ]] || return 0
  case "$option" in
    "")
      while true; do
        case "$path" in
${commandCases(words, 'words')}
        esac
        [[ -n "$words" || -z "$path" ]] && break
        # An argument, such as an id, is not part of the command.
        case "$path" in *" "*) path="\${path% *}" ;; *) path="" ;; esac
      done ;;
${valueCases(words, 'words')}
    ${optionsOf(words, 'file')}) _iam_files "$cur"; return 0 ;;
    ${optionsOf(words, 'json')})
      # The completion replaces the "@" too.
      case "$cur" in
        @*) _iam_files "\${cur#@}" @ ;;
        *) [[ "$last" != *@ ]] || _iam_files "$cur" @ ;;
      esac
      return 0 ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _iam iam
`,
  // "path" and "words" are variables of zsh itself.
  zsh: (words) => `#compdef iam
_iam() {
  local path_="" option_="" word words_=""
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ -n "$option_" ]]; then option_=""; continue; fi
    case "$word" in
      ${optionPattern(words)}) option_="$word" ;;
      -*) ;;
      *) path_="\${path_:+$path_ }$word" ;;
    esac
  done
  if [[ -z "$option_" && "\${words[CURRENT]}" == --*=* ]]; then
    option_="\${words[CURRENT]%%=*}"
    compset -P '*='
  fi
  case "$option_" in
    "")
      while true; do
        case "$path_" in
${commandCases(words, 'words_')}
        esac
        [[ -n "$words_" || -z "$path_" ]] && break
        # An argument, such as an id, is not part of the command.
        case "$path_" in *" "*) path_="\${path_% *}" ;; *) path_="" ;; esac
      done ;;
${valueCases(words, 'words_')}
    ${optionsOf(words, 'file')}) _files; return ;;
    ${optionsOf(words, 'json')}) compset -P '@' && _files; return ;;
  esac
  compadd -- \${=words_}
}
_iam "$@"
`,
  fish: (words) => `# fish completion of iam
# Whether the command before the cursor is the one of the arguments.
function __iam_at
    set -l command
    set -l value no
    set -l tokens (commandline -opc)
    set -e tokens[1]
    for token in $tokens
        if test $value = yes
            set value no
            continue
        end
        switch $token
            case ${[...words.options.keys()].join(' ')}
                set value yes
            case '-*'
            case '*'
                set -a command $token
        end
    end
    # An argument, such as an id, is not part of the command.
    while set -q command[1]; and not contains -- "$command" ${[...words.commands.keys()]
      .filter(Boolean)
      .map((path) => `'${path}'`)
      .join(' ')}
        set -e command[-1]
    end
    test "$command" = "$argv"
end
complete -c iam -f
${[...words.commands].flatMap(([path, next]) => next.map((word) => fishLine(words, path, word))).join('\n')}
`,
};

function optionPattern({ options }: CompletionWords): string {
  return [...options.keys()].join('|');
}

function optionsOf({ options }: CompletionWords, kind: ValueKind): string {
  return [...options]
    .filter(([, value]) => value === kind)
    .map(([name]) => name)
    .join('|');
}

function commandCases({ commands }: CompletionWords, variable: string): string {
  return [...commands]
    .map(([path, next]) => `          "${path}") ${variable}="${next.join(' ')}" ;;`)
    .join('\n');
}

function valueCases({ options }: CompletionWords, variable: string): string {
  return [...options]
    .flatMap(([name, kind]) =>
      typeof kind === 'string' ? [] : [`    ${name}) ${variable}="${kind.join(' ')}" ;;`],
    )
    .join('\n');
}

function fishLine({ options }: CompletionWords, path: string, word: string): string {
  const line = `complete -c iam -n '__iam_at${path === '' ? '' : ` ${path}`}'`;
  if (!word.startsWith('--')) return `${line} -a ${word}`;
  const kind = options.get(word);
  return `${line} -l ${word.slice(2)}${kind === undefined ? '' : fishValue(kind)}`;
}

function fishValue(kind: ValueKind): string {
  if (kind === 'text') return ' -x';
  if (kind === 'file') return ' -r -F';
  // fish completes the path after the "@".
  if (kind === 'json')
    return ` -x -a '@(__fish_complete_path (string replace -r "^[^@]*@" "" -- (commandline -ct)))'`;
  return ` -x -a '${kind.join(' ')}'`;
}
