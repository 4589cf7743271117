import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { iam } from '../../support/iam.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** The folder in which the shells run: the scripts, and a file to complete. */
let folder: string;
const scripts: Record<string, string> = {};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'iam-completion-'));
  for (const shell of SHELLS) {
    scripts[shell] = (await iam(['completion', shell])).stdout;
    await writeFile(join(folder, `script.${shell}`), scripts[shell]);
  }
  await writeFile(join(folder, 'my roles.json'), '{}');
});
afterAll(() => rm(folder, { recursive: true }));

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

async function offered(shell: Shell, ...line: string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(shell, ['-c', commandLines[shell](line)], { cwd: folder });
  const words = stdout.split('\n').map((word) => word.split('\t')[0] ?? '');
  return words.filter((word) => word !== '' && !word.startsWith('script.'));
}

const isInstalled: Record<string, boolean> = {};
for (const shell of SHELLS) {
  isInstalled[shell] = await promisify(execFile)(shell, ['-c', 'true']).then(
    () => true,
    () => false,
  );
}

describe.each(SHELLS)('the completion of %s', (shell) => {
  it.runIf(isInstalled[shell])('offers what may follow a command, whatever options precede it', async () => {
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

  it.runIf(isInstalled[shell])('offers the values of enumerations, and nothing for free text', async () => {
    const statuses = ['active', 'expired', 'revoked', 'all'];
    expect((await offered(shell, 'keys', 'list', '--status', '')).toSorted()).toEqual(statuses.toSorted());
    expect(await offered(shell, 'roles', 'diff', '--project-type', 'v')).toContain('vectordb');
    expect(await offered(shell, 'audit', '--action', 'api_key.rev')).toContain('api_key.revoke');
    expect(await offered(shell, 'completion', '')).toEqual(expect.arrayContaining([...SHELLS]));
    expect(await offered(shell, 'keys', 'create', '--description', '')).toEqual([]);
  });

  it.runIf(isInstalled[shell])('offers files for a path', async () => {
    // fish escapes the space.
    const file = expect.stringMatching(/my\\? roles\.json/);
    expect(await offered(shell, 'roles', 'load', '--predefined', 'm')).toEqual([file]);
    expect(await offered(shell, '--env-file', '')).toContainEqual(file);
    expect(await offered(shell, 'keys', 'create', '--role-assignments', '@m')).toEqual([file]);
  });
});

it('reads the words that bash splits at its word breaks', async () => {
  const bash = (...line: string[]) => offered('bash', ...line);
  const project = ['--project', 'security', ':', 'soc'];
  expect(await bash('keys', 'list', ...project, '--st')).toEqual(['--status']);
  expect(await bash('keys', 'create', ...project, '=', 'viewer', '--exp')).toEqual(['--expires']);
  expect(await bash('keys', 'list', '--project', 'security', ':')).toEqual([]);
  expect(await bash('keys', 'list', '--status', '=')).toEqual(['active', 'expired', 'revoked', 'all']);
  expect(await bash('keys', 'list', '--status', '=', 'rev')).toEqual(['revoked']);
  expect(await bash('keys', 'create', '--role-assignments', '@', 'm')).toEqual(['@my roles.json']);
  expect(await bash('keys', 'create', '--role-assignments', '=@', 'm')).toEqual(['@my roles.json']);
  expect(await bash('keys', 'create', '--role-assignments', '@', 'm', '--exp')).toEqual(['--expires']);
});

it('narrows the offer to what begins with the unfinished word in bash', async () => {
  expect(await offered('bash', 'ke')).toEqual(['keys']);
  expect(await offered('bash', 'keys', 're')).toEqual(['revoke']);
  expect(await offered('bash', 'keys', 'revoke', '--d')).toEqual(['--dry-run']);
  expect(await offered('bash', '--pro')).toEqual(['--profile']);
});

it('prints scripts for zsh and fish, and refuses other shells', async () => {
  expect(scripts.zsh).toMatch(/^#compdef iam\n[\s\S]*"keys revoke"\) words_=".*--dry-run/);
  expect(scripts.zsh).toContain('--status) words_="active expired revoked all" ;;');
  expect(scripts.zsh).toContain('--env-file|--predefined) _files;');
  expect(scripts.fish).toContain("complete -c iam -n '__iam_at keys revoke' -l dry-run\n");
  expect(scripts.fish).toContain(" -l status -x -a 'active expired revoked all'\n");
  expect(scripts.fish).toContain(' -l predefined -r -F\n');
  const { exitCode, stderr } = await iam(['completion', 'tcsh']);
  expect([exitCode, stderr]).toEqual([2, 'error: The shell must be one of bash, zsh, fish, not "tcsh".\n']);
});
