import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { predefinedRoles } from '../../../src/roles/predefined.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { type IssuedKey, insertKey, projectRoles } from '../../support/keys.ts';
import { metric } from '../../support/pods.ts';
import { authenticate, projectContext, startRegional, type TestRegional } from '../../support/regional.ts';
import { putRole } from '../../support/roles.ts';

const MIB = 1_048_576;
/** What roles could have before their size was limited. */
const ROLE_BYTES = 256 * 1024;
const ROLES = ['a', 'b', 'c', 'd'];
const REFUSED = 'iam_traffic_refusals_total{reason="response_budget"}';

let databases: TestDatabases;
let regional: TestRegional;
let owner: IssuedKey;
let other: IssuedKey;
let victim: IssuedKey;

beforeAll(async () => {
  databases = await createDatabases();
  const withLargeRoles = async () => {
    const key = await insertKey(databases.primary, {
      roleAssignments: projectRoles('elasticsearch', 'p1', ROLES),
    });
    for (const role of ROLES) {
      await putRole(databases.primary, key.organizationId, role, {
        metadata: { padding: 'x'.repeat(ROLE_BYTES) },
      });
    }
    return key;
  };
  [owner, other] = [await withLargeRoles(), await withLargeRoles()];
  victim = await insertKey(databases.primary, {
    roleAssignments: projectRoles('elasticsearch', 'p1', ['viewer']),
  });
  await databases.replicated();
  regional = await startRegional(databases.replicaUrl, { DATABASE_QUERY_TIMEOUT_MS: '10000' });
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
});

const contextsOf = (key: IssuedKey, count: number) =>
  Array.from({ length: count }, () => projectContext('p1', key.organizationId));

/** The status and code of a response whose body is not kept, and its `Retry-After`. */
async function outcome(key: IssuedKey, contexts: unknown[], query = '') {
  const response = await authenticate(regional, key.authorization, { contexts, query });
  return {
    status: response.status,
    code: response.body.error?.code,
    retryAfter: response.headers.get('retry-after'),
    contexts: response.body.contexts?.length,
  };
}

describe('a request for a very long response', () => {
  it('gets 400 with a way to ask for less, and costs neither memory nor time', async () => {
    await outcome(owner, contextsOf(owner, 1));
    global.gc?.();
    const before = process.memoryUsage().rss;
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const refused = await authenticate(regional, owner.authorization, { contexts: contextsOf(owner, 500) });
    delay.disable();
    expect(refused.status).toBe(400);
    expect(refused.body.error).toMatchObject({ code: '0x1A5400', resource: 'contexts' });
    expect(refused.body.error.message).toContain('?include_role_descriptors=false');
    // The whole response would have 520 MB, and once blocked the event loop for 914 ms.
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * MIB);
    expect(delay.max / 1e6).toBeLessThan(300);

    const smaller = await outcome(owner, contextsOf(owner, 500), '?include_role_descriptors=false');
    expect(smaller).toMatchObject({ status: 200, contexts: 500 });
  });

  it('within the limits is served whole on both paths', async () => {
    const contexts = contextsOf(owner, 12);
    const lane = await authenticate(regional, owner.authorization, { contexts });
    expect(lane.status).toBe(200);
    const length = Number(lane.headers.get('content-length'));
    expect(length).toBeGreaterThan(12 * ROLES.length * ROLE_BYTES);
    const [first, ...others] = lane.body.contexts;
    expect(first.role_descriptors.a.metadata.padding).toHaveLength(ROLE_BYTES);
    for (const other of others) expect(other).toEqual(first);
    // Two spaces are not plain, so that node:http answers.
    const headers = { 'content-type': 'application/json;  charset=utf-8' };
    const http = await authenticate(regional, owner.authorization, { contexts, headers });
    expect(http.body).toEqual(lane.body);
    expect(http.headers.get('content-length')).toBe(String(length));
  });

  it('fits a thousand projects with the largest predefined role and long names', async () => {
    const [largest] = predefinedRoles.toSorted(
      (one, other) => JSON.stringify(other.descriptor).length - JSON.stringify(one.descriptor).length,
    );
    const { projectType, name } = largest as (typeof predefinedRoles)[number];
    const key = await insertKey(databases.primary, {
      roleAssignments: {
        project: { [projectType]: [{ role_id: 'r', all: true, application_roles: [name] }] },
      },
    });
    await databases.replicated();
    const contexts = Array.from({ length: 1_000 }, (_, index) =>
      projectContext(`${index}`.padStart(256, 'p'), key.organizationId, projectType),
    );
    expect(await outcome(key, contexts)).toMatchObject({ status: 200, contexts: 1_000 });
  });
});

describe('clients that do not read their long responses', () => {
  const url = () => `${regional.url}/uiam/api/v1/authentication/_authenticate`;
  let abort: AbortController;
  let unread: Response[];
  beforeEach(() => {
    abort = new AbortController();
    unread = [];
  });
  const leave = async () => {
    abort.abort();
    await Promise.allSettled(unread.map((response) => response.text()));
    await expect.poll(() => metric(regional, 'iam_response_bytes')).toBe(0);
  };
  afterEach(leave);

  /** The status of a response whose body stays unread if it is a 200. */
  async function ask(key: IssuedKey): Promise<number> {
    const response = await fetch(url(), {
      method: 'POST',
      headers: { authorization: key.authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ contexts: contextsOf(key, 15) }),
      signal: abort.signal,
    });
    if (response.status === 200) unread.push(response);
    else await response.text();
    return response.status;
  }

  /** How many unread responses a key gets until it is refused. */
  async function fill(key: IssuedKey): Promise<number> {
    for (let count = 0; ; count += 1) if ((await ask(key)) !== 200) return count;
  }

  it('use up the budget only: others get 503 for long responses, and short ones at once', async () => {
    // Each has a quarter of the budget.
    expect((await fill(owner)) + (await fill(other))).toBeGreaterThanOrEqual(3);
    const refusals = (await metric(regional, REFUSED)) ?? 0;
    expect(refusals).toBeGreaterThan(0);
    expect(await metric(regional, 'iam_response_bytes')).toBeGreaterThan(45 * MIB);
    expect(await outcome(owner, contextsOf(owner, 15))).toMatchObject({
      status: 503,
      code: '0x1A7503',
      retryAfter: '1',
    });
    expect(await metric(regional, REFUSED)).toBe(refusals + 1);
    expect(await outcome(victim, contextsOf(victim, 1))).toMatchObject({ status: 200, contexts: 1 });

    await leave();
    expect((await outcome(owner, contextsOf(owner, 15))).status).toBe(200);
  });

  it('of one organization leave half of the budget to others that ask', async () => {
    expect((await outcome(other, contextsOf(other, 15))).status).toBe(200);
    await expect.poll(() => metric(regional, 'iam_response_bytes')).toBe(0);
    expect(await fill(owner)).toBe(2);
    expect(await fill(other)).toBe(1);
  });
});
