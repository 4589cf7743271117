import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { iam } from '../../support/iam.ts';

/** What bash offers for a command line whose last word is unfinished. */
async function offered(...line: string[]): Promise<string[]> {
  const { stdout: script } = await iam(['completion', 'bash']);
  const words = line.map((word) => `'${word}'`).join(' ');
  const { stdout } = await promisify(execFile)('bash', [
    '-c',
    `${script}\nCOMP_WORDS=(iam ${words}); COMP_CWORD=${line.length}; _iam; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ]);
  return stdout.trim().split('\n');
}

it('completes commands, subcommands and options in bash', async () => {
  expect(await offered('ke')).toEqual(['keys']);
  expect(await offered('keys', 're')).toEqual(['revoke']);
  expect(await offered('keys', 'revoke', '--d')).toEqual(['--dry-run']);
  expect(await offered('keys', 'revoke', 'some-id', '--y')).toEqual(['--yes']);
  expect(await offered('--pro')).toEqual(['--profile']);
});

it('prints scripts for zsh and fish, and refuses other shells', async () => {
  expect((await iam(['completion', 'zsh'])).stdout).toMatch(
    /^#compdef iam\n[\s\S]*"keys revoke"\) words_=".*--dry-run/,
  );
  expect((await iam(['completion', 'fish'])).stdout).toContain(
    "complete -c iam -n '__fish_seen_subcommand_from keys; and __fish_seen_subcommand_from revoke' -l dry-run",
  );
  expect((await iam(['completion', 'tcsh'])).exitCode).toBe(2);
});
