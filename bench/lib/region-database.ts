import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { migrate } from '../../src/database/migrate.ts';
import { writePredefinedRoles } from '../../src/database/predefined-roles.ts';
import { predefinedRoles } from '../../src/roles/predefined.ts';
import { type BenchPostgres, withClient } from './servers.ts';

/** A migrated regional database. The benchmark writes keys into it directly, without replication. */
export interface RegionDatabase {
  name: string;
  /** URL with the SELECT-only login of the service. */
  url: string;
  /** Runs statements as the owner. The change feed records no changes of keys. */
  fill(work: (client: pg.Client) => Promise<unknown>): Promise<void>;
}

/** Creates a regional database with the predefined roles and no keys. */
export async function createRegionDatabase(postgres: BenchPostgres): Promise<RegionDatabase> {
  const name = `bench_${randomBytes(6).toString('hex')}`;
  const password = 'bench-only';
  const { server } = postgres;
  await postgres.createDatabase(name);
  await migrate(server.url(name), 'region');
  await withClient(server.url(name), async (client) => {
    await writePredefinedRoles(
      async (text, values) => (await client.query(text, values)).rows,
      predefinedRoles,
    );
    // Stands for the primary, which this database has not: without a heartbeat the region would count as incomplete.
    await client.query('ALTER TABLE heartbeat DISABLE TRIGGER stamp_heartbeat');
    await client.query('INSERT INTO heartbeat (beat_at, received_at, complete) VALUES (now(), now(), true)');
    await client.query(`ALTER ROLE iam_regional LOGIN PASSWORD '${password}'`);
  });
  return {
    name,
    url: server.url(name, 'iam_regional', password),
    fill: (work) =>
      withClient(server.url(name), async (client) => {
        // A million rows in the change feed would make the fill slow.
        await client.query('ALTER TABLE api_keys DISABLE TRIGGER record_change');
        await work(client);
        await client.query('ALTER TABLE api_keys ENABLE ALWAYS TRIGGER record_change');
        await client.query('VACUUM ANALYZE api_keys');
      }),
  };
}

/** A key row to insert. */
export interface KeyRow {
  id: string;
  secretHash: string;
  /** Default: none, as for a key of an earlier release. */
  secretTag?: number;
  organizationId: string;
  roleAssignments: unknown;
  /** Default: one user per organization. */
  createdBy?: string;
}

const BATCH = 5_000;

/** Inserts keys in batches. */
export async function insertKeys(client: pg.Client, rows: readonly KeyRow[]): Promise<void> {
  for (let first = 0; first < rows.length; first += BATCH) {
    await client.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, secret_tag, role_assignments, created_by, version)
       SELECT id, organization_id, 'ingest of the web shop, production', secret_hash, secret_tag, role_assignments, created_by, 1
       FROM jsonb_to_recordset($1::jsonb) AS row (id text, organization_id text, secret_hash text, secret_tag smallint, role_assignments jsonb, created_by text)`,
      [
        JSON.stringify(
          rows.slice(first, first + BATCH).map((row) => ({
            id: row.id,
            organization_id: row.organizationId,
            secret_hash: row.secretHash,
            secret_tag: row.secretTag ?? null,
            role_assignments: row.roleAssignments,
            created_by: row.createdBy ?? `user-${row.organizationId}`,
          })),
        ),
      ],
    );
  }
}

/** Role assignments with the application role `viewer` on one Elasticsearch project. */
export function viewerOn(organizationId: string, projectId: string) {
  return {
    project: {
      elasticsearch: [
        {
          role_id: 'elasticsearch-viewer',
          organization_id: organizationId,
          all: false,
          project_ids: [projectId],
          application_roles: ['viewer'],
        },
      ],
    },
  };
}
