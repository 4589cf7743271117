import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  CLIENT_SECRET,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { report } from '../../support/figures.ts';
import {
  authorizationOf,
  type IssuedKey,
  insertKey,
  newCredential,
  projectRoles,
} from '../../support/keys.ts';
import { metric } from '../../support/pods.ts';
import { authenticate, projectContext, startRegional, type TestRegional } from '../../support/regional.ts';

const KEYS = '/uiam/api/v1/api-keys';
const GRANT = {
  description: 'rule',
  internal: true,
  role_assignments: { limit: { access: ['application'], resource: ['project'] } },
};
const trusted = { 'x-client-authentication': CLIENT_SECRET };

let databases: TestDatabases;
let controlPlane: TestControlPlane;
let region: TestRegional;
beforeAll(async () => {
  databases = await createDatabases();
  // The default limits, except that the key of each test has its own budget.
  controlPlane = await startTestControlPlane(
    { RATE_LIMIT_PER_MINUTE: '600', FORWARDING_SECRETS: 'next-forwarding-secret,forwarding-secret' },
    {
      pool: databases.primary,
      url: databases.primaryUrl,
      controlPlaneUrl: databases.primaryUrl,
    },
  );
  region = await startRegional(databases.replicaUrl, {
    CONTROL_PLANE_URL: controlPlane.url,
    FORWARDING_SECRETS: 'forwarding-secret',
  });
});
afterAll(async () => {
  await region?.close();
  await controlPlane?.close();
  await databases?.close();
});

async function internalKey(): Promise<IssuedKey> {
  const { organizationId } = await newOrganization(databases.primary);
  return insertKey(databases.primary, {
    organizationId,
    internal: true,
    roleAssignments: projectRoles('elasticsearch', 'shop', ['viewer']),
  });
}

/** Calls the region from another loopback address. */
async function callFrom(
  localAddress: string,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: unknown,
): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${region.url}${path}`,
      { method, localAddress, headers: { 'content-type': 'application/json', ...headers } },
      (response) => {
        text(response).then((body) => resolve({ status: response.statusCode, body }), reject);
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Runs tasks with a bounded concurrency. */
async function inParallel<Result>(
  count: number,
  concurrency: number,
  task: (index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = Array.from({ length: count }, (_, index) => index).values();
  const worker = async () => {
    for (const index of queue) results.push(await task(index));
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}

it('grants 1,000 keys to one internal key at concurrency 50, all with 200', async () => {
  const key = await internalKey();
  await databases.replicated();
  const begun = performance.now();
  const statuses = await inParallel(1_000, 50, async () => {
    const { status } = await callApi(region, 'POST', `${KEYS}/_grant`, key.authorization, {
      body: GRANT,
      headers: trusted,
    });
    return status;
  });
  report('1,000 grants at concurrency 50', [performance.now() - begun]);
  expect(new Set(statuses)).toEqual(new Set([200]));
}, 60_000);

it('accepts each of 1,000 granted keys immediately after its grant', async () => {
  const key = await internalKey();
  await databases.replicated();
  const contexts = [projectContext('shop', key.organizationId)];
  const statuses = await inParallel(1_000, 8, async () => {
    const granted = await callApi(region, 'POST', `${KEYS}/_grant`, key.authorization, {
      body: GRANT,
      headers: trusted,
    });
    expect(granted.headers.get('x-iam-warning')).toBeNull();
    const used = await authenticate(region, `ApiKey ${granted.body.key}`, { contexts, headers: trusted });
    return used.status;
  });
  expect(new Set(statuses)).toEqual(new Set([200]));
}, 60_000);

it('returns a granted key with a warning while replication has stopped', async () => {
  const key = await internalKey();
  await databases.replicated();
  const { rows } = await databases.region.query(
    'SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())',
  );
  const subscription = rows[0].subname;
  await databases.region.query(`ALTER SUBSCRIPTION "${subscription}" DISABLE`);
  try {
    const begun = performance.now();
    const granted = await callApi(region, 'POST', `${KEYS}/_grant`, key.authorization, {
      body: GRANT,
      headers: trusted,
    });
    expect([granted.status, granted.headers.get('x-iam-warning')]).toEqual([
      200,
      expect.stringContaining('has not reached this region'),
    ]);
    expect(performance.now() - begun).toBeLessThan(5_000);
    const [line] = region.logLines.filter((text) => text.includes('have not reached this region'));
    expect(JSON.parse(line ?? '{}').keys).toEqual([granted.body.id]);
  } finally {
    await databases.region.query(`ALTER SUBSCRIPTION "${subscription}" ENABLE`);
  }
});

it('does not let 620 requests without a valid credential block other callers', async () => {
  const [granting, revoked] = [await internalKey(), await internalKey()];
  const flood = async (headers: () => Record<string, string>) => {
    const statuses = await inParallel(620, 20, async () => {
      const { status } = await callFrom('127.0.0.2', 'POST', `${KEYS}/_grant`, headers(), GRANT);
      return status;
    });
    return new Set(statuses);
  };
  // The region refuses these itself.
  expect(await flood(() => ({}))).toEqual(new Set([401]));
  expect(await flood(() => ({ authorization: authorizationOf(newCredential()) }))).toEqual(
    new Set([401, 429]),
  );

  const ok = { ...trusted, authorization: granting.authorization };
  expect((await callFrom('127.0.0.3', 'POST', `${KEYS}/_grant`, ok, GRANT)).status).toBe(200);
  // Also at the address of the flood: this credential has just authenticated.
  expect((await callFrom('127.0.0.2', 'POST', `${KEYS}/_grant`, ok, GRANT)).status).toBe(200);
  const gone = { ...trusted, authorization: revoked.authorization };
  expect((await callFrom('127.0.0.3', 'DELETE', `${KEYS}/${revoked.id}`, gone)).status).toBe(204);
});

it('records the address of the client of the region, which the client cannot choose', async () => {
  const key = await internalKey();
  const headers = {
    ...trusted,
    authorization: key.authorization,
    'x-forwarded-for': '203.0.113.9',
    'x-iam-client-address': '203.0.113.9',
    'x-iam-forwarding-secret': 'guessed',
  };
  const { body } = await callFrom('127.0.0.4', 'POST', `${KEYS}/_grant`, headers, GRANT);
  const direct = await callApi(controlPlane, 'POST', `${KEYS}/_grant`, key.authorization, {
    body: GRANT,
    headers,
  });
  const { rows } = await databases.primary.query(
    'SELECT source_ip FROM audit_events WHERE target_id = ANY($1) ORDER BY id',
    [[JSON.parse(body).id, direct.body.id]],
  );
  expect(rows.map((row) => row.source_ip)).toEqual(['127.0.0.4', '127.0.0.1']);
});

it('makes a wrong forwarding secret visible at both sides, without the secret', async () => {
  const key = await internalKey();
  await databases.replicated();
  const forwarded = (result: string) =>
    metric(controlPlane, `iam_forwarded_requests_total{result="${result}"}`);
  const grant = (at: { url: string }) =>
    callApi(at, 'POST', `${KEYS}/_grant`, key.authorization, { body: GRANT, headers: trusted });
  const refused = (await forwarded('refused')) ?? 0;
  const accepted = (await forwarded('accepted')) ?? 0;
  await grant(region);
  const settings = { CONTROL_PLANE_URL: controlPlane.url };
  const outdated = await startRegional(databases.replicaUrl, {
    ...settings,
    FORWARDING_SECRETS: 'outdated-forwarding-secret',
  });
  const silent = await startRegional(databases.replicaUrl, settings);
  try {
    for (let call = 0; call < 3; call += 1) await grant(outdated);
    await grant(silent);
    expect([await forwarded('accepted'), await forwarded('refused')]).toEqual([accepted + 1, refused + 3]);
    const lines = controlPlane.logLines.filter((line) =>
      line.includes('FORWARDING_SECRETS does not contain'),
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('outdated-forwarding-secret');
    expect(silent.logLines.join('')).toContain('FORWARDING_SECRETS is unset');
    expect(outdated.logLines.join('')).not.toContain('FORWARDING_SECRETS is unset');
  } finally {
    await outdated.close();
    await silent.close();
  }
});

it('limits one key and leaves other organizations their budget; a revocation has its own', async () => {
  const limited = await startTestControlPlane(
    { CALLER_RATE_LIMIT_PER_MINUTE: '5' },
    { ...controlPlane.primary },
  );
  try {
    const [key, other] = [await internalKey(), await internalKey()];
    const grant = (as: IssuedKey) =>
      callApi(limited, 'POST', `${KEYS}/_grant`, as.authorization, { body: GRANT, headers: trusted });
    for (let count = 0; count < 5; count += 1) expect((await grant(key)).status).toBe(200);
    const refused = await grant(key);
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([429, expect.any(Number)]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(1);
    expect((await grant(other)).status).toBe(200);
    const revoked = await callApi(limited, 'DELETE', `${KEYS}/${key.id}`, key.authorization, {
      headers: trusted,
    });
    expect(revoked.status).toBe(204);
  } finally {
    await limited.close();
  }
});

it('lets an owner revoke and work while another key of the organization has used up its budgets', async () => {
  const limited = await startTestControlPlane(
    { CALLER_RATE_LIMIT_PER_MINUTE: '20' },
    { ...controlPlane.primary },
  );
  try {
    const owner = await newOrganization(databases.primary);
    const stolen = await insertKey(databases.primary, {
      organizationId: owner.organizationId,
      roleAssignments: projectRoles('elasticsearch', 'shop', ['viewer']),
    });
    const call = (key: IssuedKey, method: string, path: string) =>
      callApi(limited, method, `/api/v1/users/auth/keys${path}`, key.authorization);
    for (const [method, path] of [
      ['DELETE', '/zzz'],
      ['GET', ''],
    ] as const) {
      const statuses = await inParallel(60, 10, async () => (await call(stolen, method, path)).status);
      expect(new Set(statuses)).toEqual(new Set([403, 429]));
    }
    expect((await call(owner, 'GET', '')).status).toBe(200);
    expect((await call(owner, 'DELETE', `/${stolen.id}`)).status).toBe(200);
  } finally {
    await limited.close();
  }
});

it('refuses every token with the code of the protocol', async () => {
  for (const call of ['_refresh', '_invalidate']) {
    const { status, body } = await callApi(region, 'POST', `/uiam/api/v1/tokens/${call}`, undefined, {
      body: { refresh_token: 'unknown' },
      headers: trusted,
    });
    expect([status, body.error.code, body.error.type]).toEqual([401, '0x7E0116', 'AUTHENTICATION.TOKEN']);
  }
});
