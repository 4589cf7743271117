import pg from 'pg';
import { messageOf } from '../lib/message-of.ts';
import { asUrls, hasPassword, hasSeveralHosts } from './connection-string.ts';
import { failoverWarnings } from './failover-warnings.ts';
import type { Findings, Problem } from './findings.ts';
import { isPooled } from './pooler.ts';
import { withPrimary } from './primary-connection.ts';
import { readReplicationSlots } from './replication-slots.ts';
import { PUBLICATION } from './subscription.ts';

/** A subscription that a migration creates or changes. */
export interface PlannedSubscription {
  name: string;
  /** libpq connection string of the primary. */
  connection: string;
}

/** What the region's server says about its user and the subscription. */
export interface SubscriptionFacts {
  version: number;
  user: string;
  superuser: boolean;
  /** Member of `pg_create_subscription`. */
  may_subscribe: boolean;
  subscription: 'none' | 'own' | 'foreign';
  /** Other subscriptions of this database to the same publication. */
  other_subscriptions: readonly string[];
  /** Replication slot of the existing subscription. */
  slot: string | null;
}

interface PrimaryFacts {
  version: number;
  user: string;
  replication: boolean;
  standby: boolean;
  wal_level: string;
  publication: boolean;
  readable: boolean;
  free_slots: number;
  slot: boolean;
  tcp_user_timeout_ms: number;
}

/** The first version in which others than superusers may create subscriptions. */
export const DELEGATED_SUBSCRIPTIONS = 16;

/** Finds what would make a subscription fail, in the region and on the primary, which it connects to. */
export async function subscriptionFindings(
  facts: SubscriptionFacts,
  planned: PlannedSubscription,
): Promise<Findings> {
  const region = regionProblems(facts, planned);
  const urls = asUrls(planned.connection);
  if (urls === undefined) {
    return {
      problems: region,
      warnings: [],
      unchecked: [
        'The primary of --subscribe-to: only the server of the region can use this connection string.',
      ],
    };
  }
  const primary = await primaryFindings(urls, facts, planned);
  return { problems: [...region, ...primary.problems], warnings: primary.warnings, unchecked: [] };
}

/** As Postgres requires for the name of a replication slot. */
const SLOT_NAME = /^[a-z0-9_]{1,63}$/;

function regionProblems(facts: SubscriptionFacts, planned: PlannedSubscription): Problem[] {
  const [other] = facts.other_subscriptions;
  if (other !== undefined) {
    return [
      {
        message: `The region already subscribes to the primary, as "${other}". A second subscription would apply every change twice.`,
        fix: `Use --subscription-name ${other}.`,
      },
    ];
  }
  if (!SLOT_NAME.test(planned.name)) {
    return [
      {
        message: `"${planned.name}" cannot be the name of a subscription and its slot.`,
        fix: 'Use lower-case letters, digits and underscores, at most 63.',
      },
    ];
  }
  return rightsProblems(facts, planned);
}

function rightsProblems(
  { version, user, superuser, may_subscribe, subscription }: SubscriptionFacts,
  { name, connection }: PlannedSubscription,
): Problem[] {
  if (superuser) return [];
  if (subscription === 'foreign') {
    return [
      {
        message: `The subscription "${name}" exists and belongs to another login than "${user}".`,
        fix: `Leave out --subscribe-to if its connection is right, else: ALTER SUBSCRIPTION ${pg.escapeIdentifier(name)} CONNECTION '…'; with that login.`,
      },
    ];
  }
  if (version < DELEGATED_SUBSCRIPTIONS) {
    return [
      {
        message: `Postgres ${version} lets only superusers create subscriptions.`,
        fix: `As a superuser: CREATE SUBSCRIPTION ${pg.escapeIdentifier(name)} CONNECTION '…' PUBLICATION ${PUBLICATION} WITH (streaming = on); then run this command again without --subscribe-to.`,
      },
    ];
  }
  return [
    ...(may_subscribe || subscription === 'own'
      ? []
      : [
          {
            message: `"${user}" may not create subscriptions.`,
            fix: `GRANT pg_create_subscription TO ${pg.escapeIdentifier(user)};`,
          },
        ]),
    ...(hasPassword(connection)
      ? []
      : [
          {
            message:
              'The connection string of --subscribe-to has no password, which only superusers may omit.',
            fix: 'Add the password of iam_replicator.',
          },
        ]),
  ];
}

type PrimaryFindings = Omit<Findings, 'unchecked'>;

async function primaryFindings(
  urls: readonly URL[],
  { subscription, slot, version }: SubscriptionFacts,
  { name, connection }: PlannedSubscription,
): Promise<PrimaryFindings> {
  const ownSlot = slot ?? name;
  try {
    return await withPrimary(urls, 'iam-migrate', async (client): Promise<PrimaryFindings> => {
      if (await isPooled(client)) return { problems: [POOLED], warnings: [] };
      const primary = await readPrimary(client, ownSlot);
      const slots = await readReplicationSlots(
        async <Row>(text: string) => (await client.query(text)).rows as Row[],
      );
      return {
        problems: problemsOf(primary, ownSlot, subscription === 'none'),
        warnings: [
          ...(detectsDeadRegions(primary) ? [] : [slowDetection(primary.user)]),
          ...failoverWarnings({
            ...slots,
            primaryVersion: primary.version,
            regionVersion: version,
            slot: ownSlot,
          }),
        ],
      };
    });
  } catch (error) {
    return {
      problems: [
        {
          message: hasSeveralHosts(connection)
            ? `No host of --subscribe-to can be used as the primary (${messageOf(error)}).`
            : `The primary of --subscribe-to cannot be used (${messageOf(error)}).`,
          fix: 'Correct the connection string, or start this command where the primary is reachable. The server of the region connects in the same way.',
        },
      ],
      warnings: [],
    };
  }
}

const MAX_DETECTION_MS = 10_000;

/** 0 is the default of the operating system, which retries for 15 minutes. Postgres then ends a silent connection after a minute. */
function detectsDeadRegions({ tcp_user_timeout_ms: timeoutMs }: PrimaryFacts): boolean {
  return timeoutMs > 0 && timeoutMs <= MAX_DETECTION_MS;
}

function slowDetection(user: string): Problem {
  return {
    message: `The primary notices a dead connection of "${user}" only after wal_sender_timeout (a minute by default). Until then its slot is in use, and the region cannot connect again.`,
    fix: `On the primary: ALTER ROLE ${pg.escapeIdentifier(user)} SET tcp_user_timeout = '7s';`,
  };
}

const POOLED: Problem = {
  message: 'The connection string of --subscribe-to leads to a connection pooler.',
  fix: 'Use the address of the primary itself: replication needs a connection of its own.',
};

async function readPrimary(client: pg.Client, slot: string): Promise<PrimaryFacts> {
  const { rows } = await client.query<PrimaryFacts>(
    `SELECT current_setting('server_version_num')::int / 10000 AS version,
       current_user AS user, rolreplication OR rolsuper AS replication, pg_is_in_recovery() AS standby,
       current_setting('wal_level') AS wal_level,
       EXISTS (SELECT FROM pg_publication WHERE pubname = $1) AS publication,
       COALESCE((SELECT bool_and(has_table_privilege(format('%I.%I', schemaname, tablename), 'SELECT'))
         FROM pg_publication_tables WHERE pubname = $1), true) AS readable,
       current_setting('max_replication_slots')::int - (SELECT count(*)::int FROM pg_replication_slots) AS free_slots,
       EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $2) AS slot,
       current_setting('tcp_user_timeout')::int AS tcp_user_timeout_ms
     FROM pg_roles WHERE rolname = current_user`,
    [PUBLICATION, slot],
  );
  return rows[0] as PrimaryFacts;
}

function problemsOf(primary: PrimaryFacts, name: string, createsSlot: boolean): Problem[] {
  const problems: Problem[] = [];
  const add = (isProblem: boolean, message: string, fix: string) => {
    if (isProblem) problems.push({ message, fix });
  };
  add(
    !primary.replication,
    `"${primary.user}" may not replicate from the primary.`,
    `On the primary: ALTER ROLE ${pg.escapeIdentifier(primary.user)} REPLICATION;`,
  );
  add(
    primary.standby,
    'The server of --subscribe-to is a standby.',
    'Use the address of the server that it follows.',
  );
  add(
    primary.wal_level !== 'logical',
    `wal_level of the primary is "${primary.wal_level}".`,
    "On the primary: ALTER SYSTEM SET wal_level = 'logical'; then restart it.",
  );
  add(
    !primary.publication,
    `The primary has no publication "${PUBLICATION}" in this database.`,
    'Run "iam migrate primary" first, and check the name of the database in the connection string.',
  );
  add(
    !primary.readable,
    `"${primary.user}" may not read all published tables.`,
    'Use the login iam_replicator, which "iam migrate primary" prepares.',
  );
  add(
    createsSlot && primary.free_slots < 1,
    'The primary has no free replication slot.',
    'On the primary: raise max_replication_slots and max_wal_senders, then restart it.',
  );
  add(
    createsSlot && primary.slot,
    `The primary already has a replication slot "${name}".`,
    `Choose another --subscription-name. If no region uses the slot: iam region remove --region-gone --name ${name}`,
  );
  add(
    !createsSlot && !primary.slot,
    `The region is subscribed, but the primary has no replication slot "${name}" (any more), so the region misses changes.`,
    'Correct the connection string if it leads to another primary. Else run "iam region resync".',
  );
  return problems;
}
