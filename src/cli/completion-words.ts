import type { Command, Option } from 'commander';
import { PROJECT_TYPES } from '../roles/project-type.ts';

/** What the completion knows about all commands. */
export interface CompletionWords {
  /** The words that may follow a command: its subcommands, its options, and the values of its argument. */
  commands: ReadonlyMap<string, readonly string[]>;
  /** The options that take a value. An option means the same in every command. */
  options: ReadonlyMap<string, ValueKind>;
}

/** The values of an option: one of a list, a file, JSON or the file after an `@`, or any text. */
export type ValueKind = readonly string[] | 'file' | 'json' | 'text';

export function completionWords(program: Command): CompletionWords {
  const commands = new Map<string, readonly string[]>();
  const options = new Map<string, ValueKind>();
  const add = (command: Command, path: readonly string[]) => {
    const names = command.options.flatMap(({ long }) => long ?? []);
    const values = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
    const subcommands = command.commands.map((one) => one.name());
    commands.set(path.join(' '), [...subcommands, ...values, ...names, '--help']);
    for (const option of command.options) {
      if (option.long != null && (option.required || option.optional))
        options.set(option.long, kindOf(option));
    }
    for (const one of command.commands) add(one, [...path, one.name()]);
  };
  add(program, []);
  return { commands, options };
}

/** The placeholder of the value, such as `<file>`, says what it is. */
function kindOf({ argChoices, flags }: Option): ValueKind {
  if (argChoices !== undefined) return argChoices;
  if (/<(file|path)>/.test(flags)) return 'file';
  if (flags.includes('<json>')) return 'json';
  return flags.includes('<type>') ? PROJECT_TYPES : 'text';
}
