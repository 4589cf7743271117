import { expect, it } from 'vitest';
import { describeCompletion, offered, prepareCompletion, scripts } from '../../support/completion.ts';
import { iam } from '../../support/iam.ts';

prepareCompletion();

describeCompletion('bash');

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
  expect(scripts.zsh).toContain('--settings|--predefined) _files;');
  expect(scripts.fish).toContain("complete -c iam -n '__iam_at keys revoke' -l dry-run\n");
  expect(scripts.fish).toContain(" -l status -x -a 'active expired revoked all'\n");
  expect(scripts.fish).toContain(' -l predefined -r -F\n');
  const { exitCode, stderr } = await iam(['completion', 'tcsh']);
  expect([exitCode, stderr]).toEqual([2, 'error: The shell must be one of bash, zsh, fish, not "tcsh".\n']);
});
