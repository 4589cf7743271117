import type { Command } from 'commander';
import { exitCodeHelp } from './exit-codes.ts';
import { withAdministration } from './open-administration.ts';
import {
  addRoleAssignmentFlags,
  type RoleAssignmentFlags,
  roleAssignmentsFromFlags,
} from './role-assignment-flags.ts';
import { type CommonOptions, run, withExitCodes } from './run.ts';
import { credentialText, keyText, pageText } from './texts.ts';

interface KeyOptions extends CommonOptions {
  organization?: string;
}

interface CreateFlags extends KeyOptions, RoleAssignmentFlags {
  description: string;
  expires?: string;
  internal?: boolean;
}

/** `iam keys …` */
export function registerKeysCommands(program: Command): void {
  const keys = withExitCodes(program)
    .command('keys')
    .description('Create, look at, rotate and revoke API keys.')
    .addHelpText(
      'after',
      `
Over HTTP when IAM_CONTROL_PLANE_URL and IAM_API_KEY are set, else at the database of PRIMARY_DATABASE_URL.
${exitCodeHelp}`,
    );

  addRoleAssignmentFlags(common(keys.command('create')))
    .description('Create a key. Its credential is shown once.')
    .requiredOption('--description <text>', 'what the key is for')
    .option('--expires <duration>', 'life of the key: 3h, 30d, 12w … at most a year, or never (default: 90d)')
    .option('--internal', 'a key for our own services: good only with client authentication')
    .addHelpText(
      'after',
      `
Examples:
  iam keys create --description "nightly import" --project elasticsearch:shop=developer --expires 30d
  iam keys create --description "dashboards" --all-projects observability=viewer --all-projects security=viewer
  iam keys create --description "second owner" --organization-role organization-admin --expires never
  iam keys create --description "as documented" --role-assignments @assignments.json --json`,
    )
    .action((flags: CreateFlags) => run(flags, () => create(flags), credentialText));

  common(keys.command('list'))
    .description('List keys, newest first.')
    .option('--status <status>', 'active, expired, revoked or all', 'active')
    .option('--kind <kind>', 'external (made by people), internal (made by services) or all', 'external')
    .option('--expiring-within <duration>', 'only active keys that expire within this time, as in 30d')
    .option('--limit <count>', 'most keys to list')
    .option('--after <id>', 'go on after this key')
    .action((flags: KeyOptions & Record<string, string>) =>
      run(
        flags,
        () =>
          withAdministration(flags.organization, (administration) =>
            administration.listKeys(listQuery(flags)),
          ),
        pageText,
      ),
    );

  common(keys.command('show'))
    .argument('<id>', 'id of the key; one that begins with "-" goes after "--"')
    .description('Show one key, whatever its status.')
    .action((id: string, flags: KeyOptions) =>
      run(
        flags,
        () => withAdministration(flags.organization, (administration) => administration.showKey(id)),
        keyText,
      ),
    );

  common(keys.command('revoke'))
    .argument(
      '<ids...>',
      'ids of the keys; all are revoked or none; one that begins with "-" goes after "--"',
    )
    .description('Revoke keys. That cannot be undone.')
    .option('--force', 'even the last owner key of the organization')
    .action((ids: string[], flags: KeyOptions & { force?: boolean }) =>
      run(
        flags,
        async () => {
          await withAdministration(flags.organization, (administration) =>
            administration.revokeKeys(ids, flags.force === true),
          );
          return { revoked: ids };
        },
        ({ revoked }) => revoked.map((id) => `revoked ${id}`).join('\n'),
      ),
    );

  common(keys.command('rotate'))
    .argument('<id>', 'id of the key; one that begins with "-" goes after "--"')
    .description('Give a key a new secret. The old one goes on for the grace period.')
    .option('--grace <duration>', 'how long the old secret goes on: 24h, 7d … or 0 (default: 24h)')
    .option('--expires <duration>', 'a new life from now on (default: the expiration stays)')
    .option('--force', 'although the grace period of the last rotation still runs')
    .action((id: string, flags: KeyOptions & { grace?: string; expires?: string; force?: boolean }) =>
      run(
        flags,
        () =>
          withAdministration(flags.organization, (administration) =>
            administration.rotateKey(
              id,
              {
                ...(flags.grace !== undefined && { grace_period: flags.grace }),
                ...(flags.expires !== undefined && { expiration: flags.expires }),
              },
              flags.force === true,
            ),
          ),
        credentialText,
      ),
    );
}

async function create(flags: CreateFlags) {
  const assignments = roleAssignmentsFromFlags(flags);
  return withAdministration(flags.organization, (administration) =>
    administration.createKey({
      body: {
        description: flags.description,
        ...(flags.expires !== undefined && { expiration: flags.expires }),
        ...(assignments !== undefined && { role_assignments: assignments }),
      },
      internal: flags.internal === true,
    }),
  );
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

function common(command: Command): Command {
  return command
    .option('--organization <id>', 'organization (default: that of the key, or the only one)')
    .option('--json', 'answer as JSON')
    .addHelpText('after', exitCodeHelp);
}
