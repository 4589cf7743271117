import type { Command } from 'commander';
import { createKeySchema } from '../control-plane/keys/create-key.ts';
import type { KeyView, KeyWithCredential } from '../control-plane/keys/key-view.ts';

import { type KeyPage, listKeysSchema, MAX_KEYS_PAGE } from '../control-plane/keys/list-keys.ts';
import type { Project } from '../control-plane/roles/custom-roles.ts';
import { type AssignedRole, missingRoles } from './assigned-roles.ts';
import { RemoteError, UsageError } from './command-failure.ts';
import { withCorrectedRoles } from './corrected-roles.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { type KeyFilterFlags, keyFilter } from './key-filter.ts';
import { createKey, listKeys, listRoles, revokeKeys, rotateKey, showKey } from './operations.ts';
import { checked, choice, duration, gracePeriod, lifetime, wholeNumber } from './option-values.ts';
import { credentialText, keyText, pageText } from './output.ts';
import { perform } from './perform.ts';
import {
  addRoleAssignmentFlags,
  type RoleAssignmentFlags,
  roleAssignmentsFromFlags,
} from './role-assignment-flags.ts';
import { type CommonOptions, run, withExitCodes } from './run.ts';
import { canAsk, confirm } from './terminal.ts';

interface KeyOptions extends CommonOptions {
  organization?: string;
}

interface CreateFlags extends KeyOptions, RoleAssignmentFlags {
  description: string;
  expires?: string;
  internal?: boolean;
}

interface ListFlags extends KeyOptions, KeyFilterFlags {
  status?: string;
  kind?: string;
  expiringWithin?: string;
  limit?: string;
  after?: string;
  all?: boolean;
}

interface RevokeFlags extends KeyOptions {
  force?: boolean;
  yes?: boolean;
  dryRun?: boolean;
}

const STATUSES = listKeysSchema.shape.status.unwrap().options;
const KINDS = listKeysSchema.shape.kind.unwrap().options;
const ID_HELP = 'id of the key; write "--" before an id that starts with "-"';

/** `iam keys …` */
export function registerKeysCommands(program: Command): void {
  const keys = withExitCodes(program)
    .command('keys')
    .description('Create, list, show, rotate and revoke API keys.')
    .addHelpText(
      'after',
      `
Works over HTTP with IAM_CONTROL_PLANE_URL and IAM_API_KEY or a profile of "iam login", else on the database of
PRIMARY_DATABASE_URL.
${exitCodeHelp}`,
    );

  addRoleAssignmentFlags(withCommonOptions(keys.command('create')))
    .description('Create a key and print its credential once.')
    .addOption(checked('--description <text>', 'what the key is for', description).makeOptionMandatory())
    .addOption(
      lifetime('--expires <duration>', 'lifetime: 3h, 30d, 12w …, at most a year, or never (default: 90d)'),
    )
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
    .action((flags: CreateFlags) => run(flags, () => create(flags), credentialText));

  withCommonOptions(keys.command('list'))
    .description('List keys, newest first.')
    .addOption(choice('--status <status>', 'only keys with this status', STATUSES).default('active'))
    .addOption(
      choice(
        '--kind <kind>',
        'only keys that people (external) or services (internal) created',
        KINDS,
      ).default('external'),
    )
    .addOption(
      duration('--expiring-within <duration>', 'only active keys that expire within this time, such as 30d'),
    )
    .addOption(
      wholeNumber('--limit <count>', 'maximum number of keys on a page', { min: 1, max: MAX_KEYS_PAGE }),
    )
    .option('--after <id>', 'continue after this key')
    .option('--all', 'read all pages')
    .option('--project <type:id>', 'only keys with permissions on this project')
    .option('--role <name>', 'only keys with this role')
    .option('--creator <id>', 'only keys that this user or key created')
    .option('--text <text>', 'only keys whose description or id contains this text, in any case')
    .addHelpText('after', '\n--project, --role, --creator and --text read all pages and filter here.')
    .action((flags: ListFlags) => run(flags, () => list(flags), pageText));

  withCommonOptions(keys.command('show'))
    .argument('<id>', ID_HELP)
    .description('Show a key with any status.')
    .action((id: string, flags: KeyOptions) =>
      run(
        flags,
        () => show(flags, id),
        ({ missing_roles: missing, ...key }) => keyText(key, missing),
      ),
    );

  withCommonOptions(keys.command('revoke'))
    .argument('<ids...>', 'ids of the keys, all or none of which are revoked; write "--" before "-…" ids')
    .description('Revoke keys. This cannot be undone.')
    .option('--force', 'revoke even the last owner key of the organization')
    .option('--yes', 'do not ask on a terminal')
    .option('--dry-run', 'show what would be revoked')
    .action((ids: string[], flags: RevokeFlags) => run(flags, () => revoke(flags, ids), revocationText));

  withCommonOptions(keys.command('rotate'))
    .argument('<id>', ID_HELP)
    .description('Give a key a new secret. The old secret works until the grace period ends.')
    .addOption(
      gracePeriod('--grace <duration>', 'grace period of the old secret: 24h, 7d … or 0 (default: 24h)'),
    )
    .addOption(lifetime('--expires <duration>', 'new lifetime from now (default: the expiration stays)'))
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

async function create(flags: CreateFlags): Promise<KeyWithCredential> {
  const given = roleAssignmentsFromFlags(flags);
  const assignments = given === undefined ? undefined : await withCorrectedRoles(given, namesOfRoles(flags));
  return perform(createKey, flags.organization, {
    body: {
      description: flags.description,
      ...(flags.expires !== undefined && { expiration: flags.expires }),
      ...(assignments !== undefined && { role_assignments: assignments }),
    },
    internal: flags.internal === true,
  });
}

/** @throws {UsageError} by the rule of the API */
function description(text: string, name: string): string {
  const parsed = createKeySchema.shape.description.safeParse(text);
  if (parsed.success) return text;
  throw new UsageError(`${name} ${parsed.error.issues[0]?.message}.`);
}

async function list(flags: ListFlags): Promise<KeyPage> {
  if (flags.expiringWithin !== undefined && flags.status !== 'active')
    throw new UsageError('--expiring-within works only with --status active.');
  const filter = keyFilter(flags);
  const first = await perform(listKeys, flags.organization, listQuery(flags));
  if (flags.all !== true && filter === undefined) return first;
  const keys = [...first.keys];
  const unreadable = [...(first.unreadable_keys ?? [])];
  for (let { next } = first; next !== undefined; ) {
    const page = await perform(listKeys, flags.organization, { ...listQuery(flags), after: next });
    keys.push(...page.keys);
    unreadable.push(...(page.unreadable_keys ?? []));
    next = page.next;
  }
  return {
    keys: filter === undefined ? keys : keys.filter(filter),
    ...(unreadable.length > 0 && { unreadable_keys: unreadable }),
  };
}

async function show(
  flags: KeyOptions,
  id: string,
): Promise<KeyView & { missing_roles: readonly AssignedRole[] }> {
  const key = await perform(showKey, flags.organization, id);
  return { ...key, missing_roles: await missingRoles(key.role_assignments, namesOfRoles(flags)) };
}

interface Revocation {
  revoked: readonly string[];
  /** With --dry-run: the keys that would be revoked. */
  would_revoke?: readonly KeyView[];
}

async function revoke(flags: RevokeFlags, ids: readonly string[]): Promise<Revocation> {
  const mustAsk = flags.yes !== true && flags.json !== true && canAsk();
  if (flags.dryRun === true || mustAsk) {
    const keys: KeyView[] = [];
    for (const id of ids) keys.push(await perform(showKey, flags.organization, id));
    if (flags.dryRun === true) return { revoked: [], would_revoke: keys };
    process.stderr.write(`${pageText({ keys })}\n`);
    const what = keys.length === 1 ? 'this key' : `these ${keys.length} keys`;
    if (!(await confirm(`Revoke ${what}? This cannot be undone.`)))
      throw new UsageError('Nothing was revoked.');
  }
  await perform(revokeKeys, flags.organization, { ids, force: flags.force === true });
  return { revoked: ids };
}

function revocationText({ revoked, would_revoke: planned }: Revocation): string {
  if (planned === undefined) return revoked.map((id) => `revoked ${id}`).join('\n');
  return `${pageText({ keys: [...planned] })}\nNothing was revoked (--dry-run).`;
}

/** Reads the custom roles of a project. A key that is no owner may not see them. */
function namesOfRoles(flags: KeyOptions) {
  return async (project: Project): Promise<string[] | undefined> => {
    try {
      return (await perform(listRoles, flags.organization, project)).map(({ name }) => name);
    } catch (error) {
      if (error instanceof RemoteError && error.status === 403) return undefined;
      throw error;
    }
  };
}

function listQuery(flags: ListFlags): Record<string, string> {
  const query: Record<string, string | undefined> = {
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
