import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { type IssuedKey, insertKey, projectRoles } from '../../support/keys.ts';
import { Load, printFigures } from '../../support/load.ts';
import { authenticate, projectContext, startRegional, type TestRegional } from '../../support/regional.ts';
import { putRole } from '../../support/roles.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PROJECTS = 900;
/** With 900 projects 48 MB, within `MAX_ROLE_BYTES_PER_ORGANIZATION`. */
const ROLE_BYTES = 53_000;
/** Each has its own list of names, so that no cache has its roles. */
const ATTACKERS = 40;
const CALLS = 60;
/** Of the median of calls during the attack to that before it, on a machine with two processors that also runs the attack. */
const MAX_RATIO = 10;

let databases: TestDatabases;
let regional: TestRegional;
let attackers: IssuedKey[];
let contexts: unknown[];
beforeAll(async () => {
  databases = await createDatabases();
  const first = await insertKey(databases.primary);
  const { organizationId } = first;
  attackers = await Promise.all(
    Array.from({ length: ATTACKERS }, (_, nth) =>
      insertKey(databases.primary, {
        organizationId,
        roleAssignments: {
          project: {
            elasticsearch: [
              {
                role_id: 'r',
                organization_id: organizationId,
                all: true,
                application_roles: ['large', `ghost-${nth}`],
              },
            ],
          },
        },
      }),
    ),
  );
  await databases.primary.query(
    `INSERT INTO roles (organization_id, project_type, project_id, name, descriptor, version)
     SELECT $1, 'elasticsearch', 'p' || n, 'large', jsonb_build_object('cluster', '[]'::jsonb, 'indices', '[]'::jsonb,
       'applications', '[]'::jsonb, 'run_as', '[]'::jsonb, 'metadata', jsonb_build_object('padding', repeat('x', $2::int))), 0
     FROM generate_series(1, $3::int) AS n`,
    [organizationId, ROLE_BYTES, PROJECTS],
  );
  contexts = Array.from({ length: PROJECTS }, (_, nth) => projectContext(`p${nth + 1}`, organizationId));
  regional = await startRegional(databases.replicaUrl);
  await databases.replicated();
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
});

/** The outcomes and latency of calls with keys and roles that no cache has, of another organization. */
async function coldCalls() {
  const keys = await Promise.all(
    Array.from({ length: CALLS }, async (_, nth) => {
      const key = await insertKey(databases.primary, {
        roleAssignments: projectRoles('elasticsearch', 'p1', [`own-${nth}`]),
      });
      await putRole(databases.primary, key.organizationId, `own-${nth}`, { cluster: ['monitor'] });
      return key;
    }),
  );
  await databases.replicated();
  const load = new Load();
  for (const { authorization, organizationId } of keys) {
    await load.call(regional, authorization, [projectContext('p1', organizationId)]);
  }
  return load.report();
}

/** Calls with all projects of the organization until `stop`; returns how often each status came. */
function flood(query: string, count: number) {
  let stopped = false;
  let next = 0;
  const statuses: Record<string, number> = {};
  const client = async () => {
    while (!stopped) {
      const { authorization } = attackers[next++ % ATTACKERS] as IssuedKey;
      const { status, body } = await authenticate(regional, authorization, { contexts, query });
      const outcome = status === 200 ? '200' : `${status} ${body.error.code}`;
      statuses[outcome] = (statuses[outcome] ?? 0) + 1;
    }
  };
  const clients = Array.from({ length: count }, client);
  return async () => {
    stopped = true;
    await Promise.all(clients);
    return statuses;
  };
}

describe('requests for hundreds of projects with large roles', () => {
  it.each([
    ['get 400, since they cannot fit into a response', '', 8, '400 0x1A5400'],
    ['without descriptors are served', '?include_role_descriptors=false', 1, '200'],
  ])('%s, and leave the cold keys of another organization alone', async (_, query, clients, expected) => {
    const quiet = await coldCalls();
    const stop = flood(query, clients);
    const during = await coldCalls();
    const statuses = await stop();
    printFigures('requests with large roles', { quiet, during, statuses });
    expect(statuses[expected]).toBeGreaterThan(0);
    expect(during.outcomes).toEqual({ 200: CALLS });
    expect(during.p50Ms).toBeLessThan(MAX_RATIO * quiet.p50Ms);
  });
});
