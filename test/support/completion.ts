import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { iam } from './iam.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The folder in which the shells run: the scripts, and a file to complete. */
let folder: string;
/** The printed scripts, by shell. */
export const scripts: Record<string, string> = {};

/** Prepares the folder for the tests of a file. */
export function prepareCompletion(): void {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'iam-completion-'));
    for (const shell of SHELLS) {
      scripts[shell] = (await iam(['completion', shell])).stdout;
      await writeFile(join(folder, `script.${shell}`), scripts[shell]);
    }
    await writeFile(join(folder, 'my roles.json'), '{}');
  });
  afterAll(() => rm(folder, { recursive: true }));
}

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ');

/** The last word of a line is unfinished. */
const commandLines: Record<Shell, (line: readonly string[]) => string> = {
  bash: (line) =>
    `. ./script.bash; COMP_WORDS=(iam ${quoted(line)}); COMP_CWORD=${line.length}; _iam; printf '%s\\n' "\${COMPREPLY[@]}"`,
  // Outside of its line editor, zsh has no builtins for completion.
  zsh: (line) =>
    `compadd() { shift; print -rl -- "$@" }; compset() { true }; _files() { print -rl -- * }
     words=(iam ${quoted(line)}); CURRENT=${line.length + 1}; . ./script.zsh`,
  fish: (line) => `source script.fish; complete -C "iam ${line.join(' ')}"`,
};

/** The words that a shell offers for the unfinished last word of a line. */
export async function offered(shell: Shell, ...line: string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(shell, ['-c', commandLines[shell](line)], { cwd: folder });
  const words = stdout.split('\n').map((word) => word.split('\t')[0] ?? '');
  return words.filter((word) => word !== '' && !word.startsWith('script.'));
}

/** Tests that hold for the completion of every shell. */
export function describeCompletion(shell: Shell): void {
  describe(`the completion of ${shell}`, () => {
    it('offers what may follow a command, whatever options precede it', async () => {
      expect(await offered(shell, '')).toEqual(expect.arrayContaining(['keys', 'roles', 'audit']));
      const ofKeys = ['create', 'list', 'show', 'revoke', 'rotate'];
      expect(await offered(shell, 'keys', '')).toEqual(expect.arrayContaining(ofKeys));
      const afterProfile = await offered(shell, '--profile', 'demo', 'keys', '');
      expect(afterProfile).toEqual(expect.arrayContaining(ofKeys));
      expect(afterProfile).not.toContain('roles');
      expect(await offered(shell, '--profile', 'keys', '')).toContain('roles');
      expect(await offered(shell, 'keys', 'revoke', 'some-id', '--d')).toContain('--dry-run');
      expect(await offered(shell, 'keys', 'list', '--text', 'roles', '--cre')).toContain('--creator');
    });

    it('offers the values of enumerations, and nothing for free text', async () => {
      const statuses = ['active', 'expired', 'revoked', 'all'];
      expect((await offered(shell, 'keys', 'list', '--status', '')).toSorted()).toEqual(statuses.toSorted());
      expect(await offered(shell, 'roles', 'diff', '--project-type', 'v')).toContain('vectordb');
      expect(await offered(shell, 'audit', '--action', 'api_key.rev')).toContain('api_key.revoke');
      expect(await offered(shell, 'completion', '')).toEqual(expect.arrayContaining([...SHELLS]));
      expect(await offered(shell, 'keys', 'create', '--description', '')).toEqual([]);
    });

    it('offers files for a path', async () => {
      // fish escapes the space.
      const file = expect.stringMatching(/my\\? roles\.json/);
      expect(await offered(shell, 'roles', 'load', '--predefined', 'm')).toEqual([file]);
      expect(await offered(shell, '--settings', '')).toContainEqual(file);
      expect(await offered(shell, 'keys', 'create', '--role-assignments', '@m')).toEqual([file]);
    });
  });
}
