import type { Command } from 'commander';
import { exitCodeHelp } from './exit-codes.ts';
import { createKey, listKeys, revokeKeys, rotateKey, showKey } from './operations.ts';
import { credentialText, keyText, pageText } from './output.ts';
import { perform } from './perform.ts';
import {
  addRoleAssignmentFlags,
  type RoleAssignmentFlags,
  roleAssignmentsFromFlags,
} from './role-assignment-flags.ts';
import { type CommonOptions, run, withExitCodes } from './run.ts';

interface KeyOptions extends CommonOptions {
  organization?: string;
}

interface CreateFlags extends KeyOptions, RoleAssignmentFlags {
  description: string;
  expires?: string;
  internal?: boolean;
}

const ID_HELP = 'id of the key; write "--" before an id that starts with "-"';

/** `iam keys …` */
export function registerKeysCommands(program: Command): void {
  const keys = withExitCodes(program)
    .command('keys')
    .description('Create, list, show, rotate and revoke API keys.')
    .addHelpText(
      'after',
      `
Works over HTTP if IAM_CONTROL_PLANE_URL and IAM_API_KEY are set, else on the database of PRIMARY_DATABASE_URL.
${exitCodeHelp}`,
    );

  addRoleAssignmentFlags(withCommonOptions(keys.command('create')))
    .description('Create a key and print its credential once.')
    .requiredOption('--description <text>', 'what the key is for')
    .option('--expires <duration>', 'lifetime: 3h, 30d, 12w …, at most a year, or never (default: 90d)')
    .option('--internal', 'key for trusted services; valid only with client authentication')
    .addHelpText(
      'after',
      `
Examples:
  iam keys create --description "nightly import" --project elasticsearch:shop=developer --expires 30d
  iam keys create --description "dashboards" --all-projects observability=viewer --all-projects security=viewer
  iam keys create --description "second owner" --organization-role organization-admin --expires never
  iam keys create --description "as documented" --role-assignments @assignments.json --json`,
    )
    .action((flags: CreateFlags) =>
      run(flags, () => perform(createKey, flags.organization, newKeyInput(flags)), credentialText),
    );

  withCommonOptions(keys.command('list'))
    .description('List keys, newest first.')
    .option('--status <status>', 'active, expired, revoked or all', 'active')
    .option(
      '--kind <kind>',
      'external (created by people), internal (created by services) or all',
      'external',
    )
    .option('--expiring-within <duration>', 'only active keys that expire within this time, such as 30d')
    .option('--limit <count>', 'maximum number of keys')
    .option('--after <id>', 'continue after this key')
    .action((flags: KeyOptions & Record<string, string>) =>
      run(flags, () => perform(listKeys, flags.organization, listQuery(flags)), pageText),
    );

  withCommonOptions(keys.command('show'))
    .argument('<id>', ID_HELP)
    .description('Show a key with any status.')
    .action((id: string, flags: KeyOptions) =>
      run(flags, () => perform(showKey, flags.organization, id), keyText),
    );

  withCommonOptions(keys.command('revoke'))
    .argument('<ids...>', 'ids of the keys, all or none of which are revoked; write "--" before "-…" ids')
    .description('Revoke keys. This cannot be undone.')
    .option('--force', 'revoke even the last owner key of the organization')
    .action((ids: string[], flags: KeyOptions & { force?: boolean }) =>
      run(
        flags,
        async () => {
          await perform(revokeKeys, flags.organization, { ids, force: flags.force === true });
          return { revoked: ids };
        },
        ({ revoked }) => revoked.map((id) => `revoked ${id}`).join('\n'),
      ),
    );

  withCommonOptions(keys.command('rotate'))
    .argument('<id>', ID_HELP)
    .description('Give a key a new secret. The old secret works until the grace period ends.')
    .option('--grace <duration>', 'grace period of the old secret: 24h, 7d … or 0 (default: 24h)')
    .option('--expires <duration>', 'new lifetime from now (default: the expiration stays)')
    .option('--force', 'rotate even during the grace period of the last rotation')
    .action((id: string, flags: KeyOptions & { grace?: string; expires?: string; force?: boolean }) => {
      const body = {
        ...(flags.grace !== undefined && { grace_period: flags.grace }),
        ...(flags.expires !== undefined && { expiration: flags.expires }),
      };
      const input = { id, body, force: flags.force === true };
      return run(flags, () => perform(rotateKey, flags.organization, input), credentialText);
    });
}

function newKeyInput(flags: CreateFlags) {
  const assignments = roleAssignmentsFromFlags(flags);
  return {
    body: {
      description: flags.description,
      ...(flags.expires !== undefined && { expiration: flags.expires }),
      ...(assignments !== undefined && { role_assignments: assignments }),
    },
    internal: flags.internal === true,
  };
}

function listQuery(flags: Record<string, string | boolean | undefined>): Record<string, string> {
  const query: Record<string, unknown> = {
    status: flags.status,
    kind: flags.kind,
    expiring_within: flags.expiringWithin,
    limit: flags.limit,
    after: flags.after,
  };
  return Object.fromEntries(
    Object.entries(query).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function withCommonOptions(command: Command): Command {
  return command
    .option('--organization <id>', 'organization (default: that of the key, or the only one)')
    .option('--json', 'print JSON')
    .addHelpText('after', exitCodeHelp);
}
