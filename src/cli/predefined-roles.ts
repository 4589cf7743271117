import type { Command } from 'commander';
import { violationsError } from '../errors.ts';
import { countOf } from '../lib/count-of.ts';
import { messageOf } from '../lib/message-of.ts';
import { type PredefinedSet, parsePredefinedSet } from '../roles/predefined-set.ts';
import { PROJECT_TYPES } from '../roles/project-type.ts';
import { checkRoleDescriptor } from '../roles/role-descriptor.ts';
import { RemoteError, UsageError } from './command-failure.ts';
import { EXIT, exitCodeHelp } from './exit-codes.ts';
import { listPredefinedRoles, loadPredefinedRoles } from './operations.ts';
import { perform } from './perform.ts';
import { readJson } from './role-assignment-flags.ts';
import { type NamedRoles, type RoleDifference, roleDifference } from './role-difference.ts';
import { type CommonOptions, run } from './run.ts';

const TIMEOUT_MS = 30_000;

/** `iam roles load` and `iam roles diff` */
export function registerPredefinedRoleCommands(roles: Command): void {
  roles
    .command('load')
    .description('Update the predefined roles of the database from a file, without a new release.')
    .requiredOption(
      '--predefined <file>',
      'set of roles: version (a date), source, and roles by project type',
    )
    .option('--dry-run', 'show what would change')
    .option('--force', 'load an earlier set, or one whose version is in the future')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Works on the database of PRIMARY_DATABASE_URL, with the login of "iam migrate": the control plane's may not change these roles. Roles that the file lacks stay, because keys may have them. Neither this
command nor "iam migrate" overwrites a later set, or another one of the same version, without --force.
${exitCodeHelp}`,
    )
    .action((flags: LoadFlags) => run(flags, () => load(flags), loadText));

  roles
    .command('diff')
    .description('Compare the predefined roles with a file or with the roles of a cluster.')
    .option('--predefined <file>', 'compare with a set, as for "iam roles load"')
    .option('--cluster <url>', 'compare with GET /_security/role of this Elasticsearch')
    .option('--project-type <type>', `project type of the cluster: ${PROJECT_TYPES.join(', ')}`)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The key for the cluster is read from ELASTICSEARCH_API_KEY. Exits with 1 if there are differences.
${exitCodeHelp}`,
    )
    .action((flags: DiffFlags) =>
      run(
        flags,
        async () => {
          const difference = await diff(flags);
          if (Object.values(difference).some(({ length }) => length > 0)) process.exitCode = EXIT.failure;
          return difference;
        },
        differenceText,
      ),
    );
}

interface LoadFlags extends CommonOptions {
  predefined: string;
  dryRun?: boolean;
  force?: boolean;
}

interface Load {
  version: string;
  loaded: boolean;
  added: readonly string[];
  changed: RoleDifference['changed'];
  warnings: readonly string[];
}

async function load({ predefined, dryRun = false, force = false }: LoadFlags): Promise<Load> {
  const set = readSet(predefined);
  const own = await perform(listPredefinedRoles, undefined, undefined);
  const { additional: added, changed } = roleDifference(named(own), named(set.roles));
  await perform(loadPredefinedRoles, undefined, { set, force, dryRun });
  return { version: set.version, loaded: !dryRun, added, changed, warnings: set.warnings };
}

function loadText({ version, loaded, added, changed, warnings }: Load): string {
  return [
    ...added.map((name) => `+ ${name}`),
    ...changed.map(({ name, fields }) => `~ ${name}: ${fields.join(', ')}`),
    ...warnings.map((text) => `warning: ${text}`),
    loaded
      ? `loaded version ${version}: ${countOf(added.length, 'role')} added, ${changed.length} changed`
      : `Nothing was changed (--dry-run). Version ${version} would add ${countOf(added.length, 'role')} and change ${changed.length}.`,
  ].join('\n');
}

interface DiffFlags extends CommonOptions {
  predefined?: string;
  cluster?: string;
  projectType?: string;
}

async function diff({ predefined, cluster, projectType }: DiffFlags): Promise<RoleDifference> {
  if ((predefined === undefined) === (cluster === undefined))
    throw new UsageError('Pass either --predefined or --cluster.');
  const own = await perform(listPredefinedRoles, undefined, undefined);
  if (predefined !== undefined) return roleDifference(named(own), named(readSet(predefined).roles));
  const type = PROJECT_TYPES.find((known) => known === projectType);
  if (type === undefined)
    throw new UsageError(`--cluster needs --project-type: ${PROJECT_TYPES.join(', ')}.`);
  const ofType = own.filter((role) => role.projectType === type);
  const difference = roleDifference(named(ofType), await rolesOfCluster(cluster ?? '', type));
  // Custom and built-in roles of a cluster are no predefined roles of its project type.
  return { ...difference, additional: [] };
}

function named(roles: PredefinedSet['roles']): NamedRoles {
  return new Map(roles.map(({ projectType, name, descriptor }) => [`${projectType}/${name}`, descriptor]));
}

/** @throws {IamError} that names every violation by its path */
function readSet(file: string): PredefinedSet {
  const parsed = parsePredefinedSet(
    readJson(file === '-' ? file : `@${file.replace(/^@/, '')}`, '--predefined'),
  );
  if (!parsed.ok) throw violationsError('ROLE_INVALID', parsed.violations);
  return parsed.set;
}

async function rolesOfCluster(url: string, projectType: string): Promise<NamedRoles> {
  const key = process.env.ELASTICSEARCH_API_KEY;
  if (!key) throw new UsageError('Set ELASTICSEARCH_API_KEY to a key of the cluster that may read roles.');
  const response = await fetch(`${url.replace(/\/+$/, '')}/_security/role`, {
    headers: { authorization: `ApiKey ${key}`, accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw clusterError(503, `The cluster cannot be reached (${messageOf(error)}).`);
  });
  if (response.status !== 200)
    throw clusterError(
      response.status,
      `The cluster responded to GET /_security/role with ${response.status}.`,
    );
  const body = (await response.json()) as Record<string, Record<string, unknown>>;
  return new Map(
    Object.entries(body).flatMap(([name, { metadata: _metadata, ...descriptor }]) => {
      const checked = checkRoleDescriptor(descriptor);
      return checked.ok ? [[`${projectType}/${name}`, checked.descriptor] as const] : [];
    }),
  );
}

function clusterError(status: number, message: string): RemoteError {
  return new RemoteError(status, [{ code: 'cli.cluster', message }]);
}

function differenceText({ missing, additional, changed }: RoleDifference): string {
  const lines = [
    ...missing.map((name) => `- ${name}: only here`),
    ...additional.map((name) => `+ ${name}: only there`),
    ...changed.map(({ name, fields }) => `~ ${name}: ${fields.join(', ')}`),
  ];
  return lines.length > 0 ? lines.join('\n') : 'no differences';
}
