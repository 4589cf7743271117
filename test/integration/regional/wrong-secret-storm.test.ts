import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hashSecret } from '../../../src/credential/hash.ts';
import { secretTag } from '../../../src/credential/secret-tag.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { latency } from '../../support/figures.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';
import { Load, printFigures } from '../../support/load.ts';
import { metric, outcome } from '../../support/pods.ts';
import { authenticate, startRegional, type TestRegional } from '../../support/regional.ts';
import { Storm } from '../../support/storm.ts';

vi.setConfig({ testTimeout: 120_000 });

const WRONG = '401 0x28D520';
const SHED = '503 0x1A0529';
/** Parameters of production: one comparison takes milliseconds. */
const HASH_PARAMETERS = { memoryKiB: 4_096, timeCost: 1, parallelism: 1 };
const TARGETS = 300;
const QUEUE_LIMIT = 64;
/** More clients than places in the queue. */
const CLIENTS = 2 * QUEUE_LIMIT;
/** Enough to outlast the victim's calls; the test stops the storm. The pause leaves the event loop time for them. */
const STORM = { kind: 'wrong', clients: CLIENTS, count: 1_000_000, pauseMs: 60 } as const;
/** Calls of the victim, one after the other. */
const CALLS = 20;

interface Key {
  id: string;
  authorization: string;
}

let databases: TestDatabases;
let regional: TestRegional;
beforeAll(async () => {
  databases = await createDatabases();
  // The storm comes from 127.0.0.1. A call with X-Forwarded-For comes from that address.
  regional = await startRegional(databases.replicaUrl, {
    TRUSTED_PROXIES: '127.0.0.1',
    ARGON2_QUEUE_LIMIT: `${QUEUE_LIMIT}`,
    // Lookups are slow while the clients of the storm use the same processors.
    DATABASE_CONNECT_TIMEOUT_MS: '10000',
    DATABASE_QUERY_TIMEOUT_MS: '10000',
  });
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
});

/** Keys of a new organization that share one secret, because hashing with production parameters is slow. */
async function newKeys(count: number, { tagged }: { tagged: boolean }): Promise<Key[]> {
  const organizationId = `org-${randomUUID()}`;
  await databases.primary.query('INSERT INTO organizations (id, name) VALUES ($1, $1)', [organizationId]);
  const { secret } = newCredential();
  const ids = Array.from({ length: count }, () => newCredential().id);
  await databases.primary.query(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, secret_tag, role_assignments, created_by, version)
     SELECT id, $1, 'test', $4, tag, '{}', 'user-1', 0 FROM unnest($2::text[], $3::smallint[]) AS given (id, tag)`,
    [
      organizationId,
      ids,
      ids.map((id) => (tagged ? secretTag(id, secret) : null)),
      await hashSecret(secret, HASH_PARAMETERS),
    ],
  );
  await databases.replicated();
  return ids.map((id) => ({ id, authorization: authorizationOf({ id, secret, layout: 'v1' }) }));
}

const argon2Runs = async () => (await metric(regional, 'iam_argon2_run_seconds_count')) ?? 0;
const shedCount = async (trust: string) =>
  (await metric(regional, `iam_argon2_shed_total{trust="${trust}"}`)) ?? 0;

/** Calls `work` while the storm runs; returns what the storm got. */
async function duringStorm(targets: readonly Key[], work: () => Promise<void>) {
  const storm = new Storm({ ...STORM, url: regional.url, ids: targets.map(({ id }) => id) });
  // Until every id has had a wrong secret, each of them is as trusted as the victim's.
  const refused = async () =>
    ((await metric(regional, 'iam_wrong_secrets_total{guard="tag"}')) ?? 0) +
    ((await metric(regional, 'iam_wrong_secrets_total{guard="argon2"}')) ?? 0);
  const before = await refused();
  await expect
    .poll(async () => (await refused()) - before, { timeout: 60_000, interval: 50 })
    .toBeGreaterThan(TARGETS);
  try {
    await work();
  } finally {
    await storm.stop();
  }
  return storm.done;
}

describe(`a storm of wrong secrets from ${CLIENTS} clients for ${TARGETS} ids of one organization`, () => {
  it('with tags runs argon2 for almost none of them, and sheds nothing', async () => {
    const targets = await newKeys(TARGETS, { tagged: true });
    const victims = await newKeys(CALLS, { tagged: true });
    const runsBefore = await argon2Runs();
    const shedBefore = [await shedCount('clean'), await shedCount('targeted'), await shedCount('failing')];
    const victim = new Load();
    const { outcomes } = await duringStorm(targets, () =>
      victim.callAll(
        regional,
        victims.map(({ authorization }) => authorization),
        1,
      ),
    );
    const runs = (await argon2Runs()) - runsBefore - victims.length;
    printFigures('storm of wrong secrets, keys with tags', {
      storm: outcomes,
      runs,
      victim: victim.report(),
    });
    const { [WRONG]: wrong = 0, ...others } = outcomes;
    expect(others).toEqual({});
    // One in 65,536 is expected.
    expect(runs).toBeLessThanOrEqual(3 + wrong / 10_000);
    expect(victim.report().outcomes).toEqual({ 200: victims.length });
    expect([await shedCount('clean'), await shedCount('targeted'), await shedCount('failing')]).toEqual(
      shedBefore,
    );
  });

  it('without tags neither sheds a cold key of another organization nor the owner of an attacked id', async () => {
    const targets = await newKeys(TARGETS, { tagged: false });
    const victims = await newKeys(CALLS, { tagged: false });
    const owner = { attempts: [] as string[], timesMs: [] as number[] };
    const victim = new Load();
    const failingBefore = await shedCount('failing');
    const { outcomes } = await duringStorm(targets, async () => {
      // Each id once: its secret is cold, and its id is under attack.
      for (const [nth, target] of targets.slice(0, victims.length).entries()) {
        const begun = performance.now();
        const headers = { 'x-forwarded-for': '203.0.113.9' };
        owner.attempts.push(outcome(await authenticate(regional, target.authorization, { headers })));
        owner.timesMs.push(performance.now() - begun);
        await victim.call(regional, (victims[nth] as Key).authorization);
      }
    });
    const shed = (await shedCount('failing')) - failingBefore;
    printFigures('storm of wrong secrets, keys without tags', {
      storm: outcomes,
      shed,
      victim: victim.report(),
      owner: latency(owner),
    });
    expect(shed).toBeGreaterThan(0);
    expect(outcomes[SHED]).toBeGreaterThan(0);
    expect(victim.report().outcomes).toEqual({ 200: victims.length });
    expect(new Set(owner.attempts)).toEqual(new Set(['200']));
  });
});
