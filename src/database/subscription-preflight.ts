import pg from 'pg';
import { messageOf } from '../lib/message-of.ts';
import { asUrl, hasPassword } from './connection-string.ts';
import type { Findings, Problem } from './findings.ts';
import { withClient } from './one-client.ts';
import { isPooled } from './pooler.ts';
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
  user: string;
  replication: boolean;
  standby: boolean;
  wal_level: string;
  publication: boolean;
  readable: boolean;
  free_slots: number;
  slot: boolean;
}

/** The first version in which others than superusers may create subscriptions. */
export const DELEGATED_SUBSCRIPTIONS = 16;

/** Finds what would make a subscription fail, in the region and on the primary, which it connects to. */
export async function subscriptionFindings(
  facts: SubscriptionFacts,
  planned: PlannedSubscription,
): Promise<Findings> {
  const region = regionProblems(facts, planned);
  const url = asUrl(planned.connection);
  if (url === undefined) {
    return {
      problems: region,
      unchecked: [
        'The primary of --subscribe-to: only the server of the region can use this connection string.',
      ],
    };
  }
  return { problems: [...region, ...(await primaryProblems(url, facts, planned))], unchecked: [] };
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

async function primaryProblems(
  url: URL,
  { subscription, slot }: SubscriptionFacts,
  { name }: PlannedSubscription,
): Promise<Problem[]> {
  try {
    return await withPrimary(url, async (client) =>
      (await isPooled(client))
        ? [POOLED]
        : problemsOf(await readPrimary(client, slot ?? name), slot ?? name, subscription === 'none'),
    );
  } catch (error) {
    return [
      {
        message: `The primary of --subscribe-to cannot be used (${messageOf(error)}).`,
        fix: 'Correct the connection string, or start this command where the primary is reachable. The server of the region connects in the same way.',
      },
    ];
  }
}

const POOLED: Problem = {
  message: 'The connection string of --subscribe-to leads to a connection pooler.',
  fix: 'Use the address of the primary itself: replication needs a connection of its own.',
};

/** With `sslmode=prefer`, the default of libpq, a server without TLS is right too. */
async function withPrimary<Result>(url: URL, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  try {
    return await withClient(url.href, 'iam-migrate', work);
  } catch (error) {
    if (url.searchParams.get('sslmode') !== 'prefer' || !/not support SSL/.test(messageOf(error)))
      throw error;
    const plain = new URL(url);
    plain.searchParams.set('sslmode', 'disable');
    return await withClient(plain.href, 'iam-migrate', work);
  }
}

async function readPrimary(client: pg.Client, slot: string): Promise<PrimaryFacts> {
  const { rows } = await client.query<PrimaryFacts>(
    `SELECT current_user AS user, rolreplication OR rolsuper AS replication, pg_is_in_recovery() AS standby,
       current_setting('wal_level') AS wal_level,
       EXISTS (SELECT FROM pg_publication WHERE pubname = $1) AS publication,
       COALESCE((SELECT bool_and(has_table_privilege(format('%I.%I', schemaname, tablename), 'SELECT'))
         FROM pg_publication_tables WHERE pubname = $1), true) AS readable,
       current_setting('max_replication_slots')::int - (SELECT count(*)::int FROM pg_replication_slots) AS free_slots,
       EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $2) AS slot
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
    `Choose another --subscription-name. If no region uses the slot, on the primary: SELECT pg_drop_replication_slot('${name}');`,
  );
  add(
    !createsSlot && !primary.slot,
    `The region is subscribed, but the primary has no replication slot "${name}" (any more), so the region misses changes.`,
    'Correct the connection string if it leads to another primary. Else subscribe a new database and move the pods to it.',
  );
  return problems;
}
