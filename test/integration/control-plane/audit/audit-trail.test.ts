import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import type { IssuedKey } from '../../../support/keys.ts';

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
});
afterAll(() => controlPlane?.close());

/** A paged list: how rows get into it, and how the API shows them. */
interface PagedList {
  path: string;
  insert(owner: IssuedKey, count: number): Promise<void>;
  ids(body: { events?: { id: string }[]; keys?: { id: string }[] }): string[];
}

const lists: [string, PagedList][] = [
  [
    'the audit trail',
    {
      path: '/api/v1/audit?limit=',
      insert: async ({ organizationId }, count) => {
        await controlPlane.primary.pool.query(
          `INSERT INTO audit_events (organization_id, actor_type, actor_id, action, outcome)
           SELECT $1, 'system', 'test', 'api_key.create', 'success' FROM generate_series(1, $2)`,
          [organizationId, count],
        );
      },
      ids: ({ events = [] }) => events.map(({ id }) => id),
    },
  ],
  [
    'the list of keys',
    {
      path: '/api/v1/users/auth/keys?status=all&kind=all&limit=',
      // Rows of one statement share created_at, so the order within it is that of the ids.
      insert: async ({ organizationId }, count) => {
        await controlPlane.primary.pool.query(
          `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, created_at)
           SELECT md5(random()::text), $1, 'x', '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo', '{}', 'u',
             clock_timestamp()
           FROM generate_series(1, $2)`,
          [organizationId, count],
        );
      },
      ids: ({ keys = [] }) => keys.map(({ id }) => id),
    },
  ],
];

describe.each(lists)('%s', (_title, list) => {
  it.each([10, 100, 1_000])(
    'returns each of %i rows once, newest first, while rows are inserted',
    async (count) => {
      const owner = await newOrganization(controlPlane.primary.pool);
      await list.insert(owner, count);
      const all = await readAll(list, owner, 1_000, async () => {});
      expect(all.length).toBeGreaterThanOrEqual(count);
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: Math.max(1, count / 50), max: 500 }),
          fc.integer({ min: 0, max: 5 }),
          async (limit, insertEvery) => {
            const before = await readAll(list, owner, 500, async () => {});
            let pages = 0;
            const read = await readAll(list, owner, limit, async () => {
              pages += 1;
              if (insertEvery > 0 && pages % insertEvery === 0) await list.insert(owner, 3);
            });
            expect(read).toEqual(before);
          },
        ),
        { numRuns: 8 },
      );
    },
    30_000,
  );
});

/** Follows the links to the next pages. @param betweenPages runs after each page */
async function readAll(
  list: PagedList,
  owner: IssuedKey,
  limit: number,
  betweenPages: () => Promise<void>,
): Promise<string[]> {
  const ids: string[] = [];
  let path: string | undefined = `${list.path}${Math.min(limit, 500)}`;
  while (path !== undefined) {
    const { status, headers, body } = await callApi(controlPlane, 'GET', path, owner.authorization);
    expect(status).toBe(200);
    ids.push(...list.ids(body));
    const link = headers.get('link');
    path = link === null ? undefined : /^<([^>]+)>; rel="next"$/.exec(link)?.[1];
    expect(path === undefined).toBe(body.next === undefined);
    await betweenPages();
  }
  return ids;
}

it('shows the newest of 1,163 events first', async () => {
  const owner = await newOrganization(controlPlane.primary.pool);
  const [, trail] = lists[0] as [string, PagedList];
  await trail.insert(owner, 1_163);
  const { body } = await callApi(controlPlane, 'GET', '/api/v1/audit?limit=2', owner.authorization);
  const { rows } = await controlPlane.primary.pool.query(
    'SELECT max(id)::text AS newest FROM audit_events WHERE organization_id = $1',
    [owner.organizationId],
  );
  expect(body.events[0].id).toBe(rows[0].newest);
});
