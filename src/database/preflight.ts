import pg from 'pg';
import type { Findings, Problem } from './findings.ts';
import { type LoginFacts, loginWarnings } from './login-warnings.ts';
import { type DatabaseKind, LOGINS, type Login } from './logins.ts';
import { PUBLICATION } from './subscription.ts';
import {
  DELEGATED_SUBSCRIPTIONS,
  type PlannedSubscription,
  type SubscriptionFacts,
  subscriptionFindings,
} from './subscription-preflight.ts';

/** What a migration is going to do. */
export interface MigrationPlan {
  kind: DatabaseKind;
  /** Logins whose passwords it sets. */
  passwords: readonly Login[];
  /** The subscription that it creates or changes, if any. */
  subscription?: PlannedSubscription;
}

const MIN_VERSION = 15;

interface Facts extends SubscriptionFacts, LoginFacts {
  createrole: boolean;
  replication: boolean;
  standby: boolean;
  wal_level: string;
  slots: number;
  senders: number;
  /** WAL that a slot may retain, in MB; -1 without a limit. */
  slot_limit: number;
  apply_workers: number;
  create_in_database: boolean;
  create_in_schema: boolean;
  owns_schema: boolean;
  logins: { name: string; may_log_in: boolean; may_replicate: boolean }[];
  /** Logins that the user may alter (CREATEROLE and, since Postgres 16, ADMIN OPTION). */
  alterable: string[];
  table_owner: string | null;
  owns_tables: boolean;
  /** Whose schema the database has. */
  schema_of: DatabaseKind | null;
  migrated: boolean;
}

/**
 * Finds everything that would make a migration fail, before it changes anything: rights, server settings, version and
 * state of the schema. docs/install.md explains the required rights.
 */
export async function preflight(client: pg.ClientBase, plan: MigrationPlan): Promise<Findings> {
  const facts = await readFacts(client, plan.subscription?.name);
  const subscription = plan.subscription && (await subscriptionFindings(facts, plan.subscription));
  return {
    problems: [
      ...serverProblems(facts, plan.kind),
      ...rightsProblems(facts),
      ...missingLogins(facts),
      ...unusableLogins(facts, plan),
      ...passwordProblems(facts, plan.passwords),
      ...schemaProblems(facts, plan.kind),
      ...(subscription?.problems ?? []),
    ],
    warnings: [
      ...limitWarnings(facts, plan.kind),
      ...loginWarnings(facts),
      ...(subscription?.warnings ?? []),
    ],
    unchecked: subscription?.unchecked ?? [],
  };
}

async function readFacts(client: pg.ClientBase, subscriptionName = ''): Promise<Facts> {
  const names = LOGINS.map(({ name }) => name);
  const { rows } = await client.query<Omit<Facts, 'alterable'> & { administered: string[] }>(
    `SELECT current_setting('server_version_num')::int / 10000 AS version,
       current_user AS user, current_database() AS database,
       rolsuper AS superuser, rolcreaterole AS createrole, rolreplication AS replication,
       pg_is_in_recovery() AS standby,
       current_setting('wal_level') AS wal_level,
       current_setting('max_replication_slots')::int AS slots,
       current_setting('max_wal_senders')::int AS senders,
       (SELECT setting::int FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS slot_limit,
       current_setting('max_logical_replication_workers')::int AS apply_workers,
       has_database_privilege(current_database(), 'CREATE') AS create_in_database,
       has_schema_privilege('public', 'CREATE') AS create_in_schema,
       (SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'public') AS owns_schema,
       EXISTS (SELECT FROM pg_roles AS delegate WHERE delegate.rolname = 'pg_create_subscription'
         AND pg_has_role(delegate.oid, 'USAGE')) AS may_subscribe,
       COALESCE((SELECT jsonb_agg(jsonb_build_object('name', rolname, 'may_log_in', rolcanlogin,
         'may_replicate', rolreplication OR rolsuper)) FROM pg_roles WHERE rolname = ANY($1)), '[]') AS logins,
       ARRAY(SELECT login.rolname::text FROM pg_roles AS login WHERE login.rolname = ANY($1)
         AND pg_has_role(login.oid, 'MEMBER WITH ADMIN OPTION')) AS administered,
       COALESCE((SELECT jsonb_agg(DISTINCT jsonb_build_object('login', rolname, 'name', split_part(setting, '=', 1)))
         FROM pg_db_role_setting JOIN pg_roles AS login ON login.oid = setrole CROSS JOIN unnest(setconfig) AS setting
         WHERE rolname = ANY($1)
           AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))), '[]') AS login_settings,
       (SELECT has_database_privilege('public', oid, 'TEMPORARY') AND NOT pg_has_role(datdba, 'USAGE')
         FROM pg_database WHERE datname = current_database()) AS leaves_temporary,
       has_function_privilege('public', 'pg_catalog.pg_advisory_lock(bigint)', 'EXECUTE') AND NOT rolsuper AS leaves_advisory_locks,
       (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('public.api_keys')) AS table_owner,
       COALESCE((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('public.api_keys')), true) AS owns_tables,
       to_regclass('public.schema_migrations') IS NOT NULL AS migrated,
       CASE WHEN to_regclass('public.audit_events') IS NOT NULL THEN 'primary'
         WHEN to_regclass('public.changes') IS NOT NULL THEN 'region' END AS schema_of,
       CASE WHEN subname IS NULL THEN 'none' WHEN pg_has_role(subowner, 'USAGE') THEN 'own' ELSE 'foreign' END AS subscription,
       subslotname::text AS slot,
       ARRAY(SELECT subname::text FROM pg_subscription
         WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND $3 = ANY (subpublications) AND subname <> $2) AS other_subscriptions
     FROM pg_roles
       LEFT JOIN pg_subscription
         ON subname = $2 AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
     WHERE rolname = current_user`,
    [names, subscriptionName, PUBLICATION],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('The database user does not exist.');
  const { administered, ...facts } = row;
  const alterable = facts.superuser
    ? names
    : facts.createrole
      ? names.filter(
          (name) =>
            facts.version < DELEGATED_SUBSCRIPTIONS ||
            administered.includes(name) ||
            !facts.logins.some((login) => login.name === name),
        )
      : [];
  return { ...facts, alterable };
}

function serverProblems(facts: Facts, kind: DatabaseKind): Problem[] {
  const problems: Problem[] = [];
  if (facts.version < MIN_VERSION) {
    problems.push({
      message: `The server is Postgres ${facts.version}.`,
      fix: `Use Postgres ${MIN_VERSION} or later.`,
    });
  }
  if (facts.standby) {
    problems.push({
      message: 'The server is a standby, which is read-only.',
      fix: 'Migrate the server that it follows.',
    });
  }
  if (kind === 'primary' && facts.wal_level !== 'logical') {
    problems.push({
      message: `wal_level is "${facts.wal_level}", so no region can subscribe.`,
      fix: "ALTER SYSTEM SET wal_level = 'logical'; then restart the server.",
    });
  }
  if (kind === 'primary' && Math.min(facts.slots, facts.senders) < 1) {
    problems.push({
      message: 'max_replication_slots or max_wal_senders is 0, so no region can subscribe.',
      fix: 'Set both to at least one per region and a reserve for the initial copies, then restart the server.',
    });
  }
  if (kind === 'region' && facts.apply_workers < 1) {
    problems.push({
      message: 'max_logical_replication_workers is 0, so no subscription is applied.',
      fix: 'ALTER SYSTEM SET max_logical_replication_workers = 4; then restart the server.',
    });
  }
  return problems;
}

/** A region that is down makes the primary keep WAL for it. */
function limitWarnings({ slot_limit: limit }: Facts, kind: DatabaseKind): Problem[] {
  if (kind !== 'primary' || limit !== -1) return [];
  return [
    {
      message:
        'max_slot_wal_keep_size is -1, so a region that is down for long can fill the disk of the primary.',
      fix: 'ALTER SYSTEM SET max_slot_wal_keep_size to less than the free disk space. "iam region resync" rebuilds a region that falls behind by more.',
    },
  ];
}

function rightsProblems({
  user,
  database,
  create_in_database,
  create_in_schema,
  owns_schema,
}: Facts): Problem[] {
  if (create_in_database && create_in_schema && owns_schema) return [];
  return [
    {
      message: `"${user}" may not create everything that the schema needs in the database "${database}".`,
      fix: `ALTER DATABASE ${pg.escapeIdentifier(database)} OWNER TO ${pg.escapeIdentifier(user)};`,
    },
  ];
}

function missingLogins(facts: Facts): Problem[] {
  if (facts.superuser || facts.createrole) return [];
  return LOGINS.filter(({ name }) => !facts.logins.some((login) => login.name === name)).map(
    ({ name, mayReplicate }) => ({
      message: `The login ${name} does not exist, and "${facts.user}" may not create it.`,
      fix: `CREATE ROLE ${name} LOGIN${mayReplicate ? ' REPLICATION' : ''} PASSWORD '…';`,
    }),
  );
}

/** Logins that lack an attribute, and that this user cannot give it to. Setting a password also sets the attributes. */
function unusableLogins(facts: Facts, { kind }: MigrationPlan): Problem[] {
  return LOGINS.filter((login) => login.kind === kind && !facts.alterable.includes(login.name)).flatMap(
    ({ name, mayReplicate = false }) => {
      const login = facts.logins.find((existing) => existing.name === name);
      if (login === undefined) return [];
      const lacking = [
        ...(login.may_log_in ? [] : ['LOGIN']),
        ...(mayReplicate && !login.may_replicate ? ['REPLICATION'] : []),
      ];
      if (lacking.length === 0) return [];
      return [
        {
          message: `The login ${name} lacks ${lacking.join(' and ')}.`,
          fix: `ALTER ROLE ${name} ${lacking.join(' ')}; as an administrator.`,
        },
      ];
    },
  );
}

function passwordProblems(facts: Facts, passwords: readonly Login[]): Problem[] {
  return passwords.flatMap(({ name, mayReplicate, passwordVariable }) => {
    if (!facts.alterable.includes(name)) {
      return [
        {
          message: `"${facts.user}" may not set the password of ${name}.`,
          fix: `ALTER ROLE ${name} PASSWORD '…'; as an administrator, and unset ${passwordVariable}.`,
        },
      ];
    }
    if (!mayReplicate || mayGrantReplication(facts)) return [];
    return [
      {
        message: `"${facts.user}" may not give ${name} the attribute REPLICATION.`,
        fix: `ALTER ROLE ${name} LOGIN REPLICATION PASSWORD '…'; as an administrator, and unset ${passwordVariable}.`,
      },
    ];
  });
}

/** Since Postgres 16, a user with CREATEROLE gives only attributes that it has. Before, REPLICATION took a superuser. */
function mayGrantReplication({ superuser, version, replication }: Facts): boolean {
  return superuser || (version >= DELEGATED_SUBSCRIPTIONS && replication);
}

function schemaProblems(
  { user, table_owner: owner, owns_tables: owns, migrated, schema_of }: Facts,
  kind: DatabaseKind,
): Problem[] {
  if (owner === null) return [];
  if (schema_of !== null && schema_of !== kind) {
    return [
      {
        message: `The database is that of a ${schema_of}, not of a ${kind}.`,
        fix: `Correct the URL, or run "iam migrate ${schema_of}".`,
      },
    ];
  }
  if (!migrated) {
    return [
      {
        message: 'The database has a table "api_keys", but no record of migrations.',
        fix: 'Use an empty database, or restore the table "schema_migrations" with the others.',
      },
    ];
  }
  if (owns) return [];
  return [
    {
      message: `The tables belong to "${owner}", not to "${user}".`,
      fix: `Use a URL with the login ${pg.escapeIdentifier(owner)}.`,
    },
  ];
}
