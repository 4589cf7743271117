import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeCredential } from '../../../src/credential/format.ts';
import { secretTag } from '../../../src/credential/secret-tag.ts';
import {
  callApi,
  newOrganization,
  startControlPlaneOf,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { authorizationOf, type IssuedKey, insertKey, newCredential, rotateKey } from '../../support/keys.ts';
import { metric, outcome } from '../../support/pods.ts';
import { authenticate, startRegional, type TestRegional } from '../../support/regional.ts';

const KEYS = '/api/v1/users/auth/keys';
const WRONG = '401 0x28D520';

let databases: TestDatabases;
let controlPlane: TestControlPlane;
let controlPlaneClosed = false;
let regional: TestRegional;
let owner: IssuedKey;
beforeAll(async () => {
  databases = await createDatabases();
  controlPlane = await startControlPlaneOf(databases);
  regional = await startRegional(databases.replicaUrl);
  owner = await newOrganization(databases.primary);
});
afterAll(async () => {
  await regional?.close();
  if (!controlPlaneClosed) await controlPlane?.close();
  await databases?.close();
});

const api = async (method: string, path: string, body: object) => {
  const response = await callApi(controlPlane, method, path, owner.authorization, { body });
  expect(response.status).toBeLessThan(300);
  await databases.replicated();
  return response.body;
};
const create = () => api('POST', KEYS, { description: 'test', role_assignments: {} });
const present = async (authorization: string) => outcome(await authenticate(regional, authorization));
const wrongSecretFor = (id: string) => authorizationOf({ ...newCredential(), id });
const argon2Runs = () => metric(regional, 'iam_argon2_run_seconds_count');
const refusals = (guard: string) => metric(regional, `iam_wrong_secrets_total{guard="${guard}"}`);

function tagOf(credential: string): number {
  const decoded = decodeCredential(credential, ['essu_dev']);
  if (!decoded.ok) throw new Error(decoded.reason);
  return secretTag(decoded.credential.id, decoded.credential.secret);
}

async function tagsOf(id: string) {
  const read = async (pool: TestDatabases['primary']) => {
    const { rows } = await pool.query(
      'SELECT secret_tag AS current, previous_secret_tag AS previous FROM api_keys WHERE id = $1',
      [id],
    );
    return rows[0];
  };
  return { primary: await read(databases.primary), region: await read(databases.region) };
}

/** Both sides have the same digest of every bucket of keys. */
async function expectEqualDigests(): Promise<void> {
  const digests = (pool: TestDatabases['primary']) =>
    pool.query(
      "SELECT d.* FROM generate_series(0, 992, 32) AS first, digest_of('keys', first::smallint) AS d",
    );
  expect((await digests(databases.region)).rows).toEqual((await digests(databases.primary)).rows);
}

describe('a key of this release', () => {
  it('has a tag in every region, for the previous secret too, and in no response', async () => {
    const made = await create();
    const first = { current: tagOf(made.key), previous: null };
    expect(await tagsOf(made.id)).toEqual({ primary: first, region: first });

    const rotated = await api('POST', `${KEYS}/${made.id}/_rotate`, { grace_period: '1h' });
    const both = { current: tagOf(rotated.key), previous: tagOf(made.key) };
    expect(await tagsOf(made.id)).toEqual({ primary: both, region: both });

    const ended = await api('POST', `${KEYS}/${made.id}/_rotate`, { grace_period: '0' });
    const last = { current: tagOf(ended.key), previous: null };
    expect(await tagsOf(made.id)).toEqual({ primary: last, region: last });
    for (const response of [made, rotated, ended]) expect(JSON.stringify(response)).not.toMatch(/tag/);
    await expectEqualDigests();
  });

  it('needs argon2 for its secrets and for no wrong secret, also during the grace period of a rotation', async () => {
    const made = await create();
    const rotated = await api('POST', `${KEYS}/${made.id}/_rotate`, { grace_period: '1h' });
    const before = { runs: (await argon2Runs()) ?? 0, refused: (await refusals('tag')) ?? 0 };
    const outcomes = await Promise.all(Array.from({ length: 300 }, () => present(wrongSecretFor(made.id))));
    expect(new Set(outcomes)).toEqual(new Set([WRONG]));
    // Twice 300 comparisons of tags: one in 110 runs of this test has a match, and one in 24,000 has two.
    expect(((await argon2Runs()) ?? 0) - before.runs).toBeLessThanOrEqual(2);
    expect(((await refusals('tag')) ?? 0) - before.refused).toBeGreaterThanOrEqual(298);

    expect(await present(`ApiKey ${made.key}`)).toBe('200');
    expect(await present(`ApiKey ${rotated.key}`)).toBe('200');
  });
});

describe('a key without a tag', () => {
  it('gets one at its next rotation', async () => {
    const key = await insertKey(databases.primary, { organizationId: owner.organizationId });
    const rotated = await api('POST', `${KEYS}/${key.id}/_rotate`, { grace_period: '1h' });
    const tags = { current: tagOf(rotated.key), previous: null };
    expect(await tagsOf(key.id)).toEqual({ primary: tags, region: tags });
    expect(await present(key.authorization)).toBe('200'); // the old secret, by argon2 alone
    expect(await present(`ApiKey ${rotated.key}`)).toBe('200');
    const refused = (await refusals('argon2')) ?? 0;
    expect(await present(wrongSecretFor(key.id))).toBe(WRONG);
    expect(await refusals('argon2')).toBe(refused + 1);
  });
});

/** Resolves when the pod accepts the credential; the change feed may need a moment. */
const accepts = (authorization: string) => expect.poll(() => present(authorization)).toBe('200');

describe('an older release', () => {
  it('that rotates a key without its tag does not leave a tag that refuses the new secret', async () => {
    const made = await create();
    expect(await present(`ApiKey ${made.key}`)).toBe('200');
    const rotated = await rotateKey(databases.primary, made.id);
    await databases.replicated();
    const none = { current: null, previous: null };
    expect(await tagsOf(made.id)).toEqual({ primary: none, region: none });
    await accepts(rotated.authorization);
  });

  it('that keeps a previous secret without its tag does not leave one that refuses it', async () => {
    const made = await create();
    const again = await api('POST', `${KEYS}/${made.id}/_rotate`, { grace_period: '1h' });
    const next = newCredential();
    await databases.primary.query(
      `UPDATE api_keys SET previous_secret_hash = secret_hash, secret_hash = (SELECT secret_hash FROM api_keys WHERE id = $2)
       WHERE id = $1`,
      [made.id, (await insertKey(databases.primary)).id],
    );
    await databases.replicated();
    const none = { current: null, previous: null };
    expect(await tagsOf(made.id)).toEqual({ primary: none, region: none });
    await accepts(`ApiKey ${again.key}`);
    expect(await present(authorizationOf({ ...next, id: made.id }))).toBe(WRONG);
  });

  it('with a schema without tags, on a primary of newer regions, does not leave a tag there', async () => {
    const made = await create();
    expect((await tagsOf(made.id)).region.current).toBe(tagOf(made.key));
    await controlPlane.close();
    controlPlaneClosed = true;
    await databases.primary.query(
      `DROP TRIGGER clear_outdated_tags ON api_keys;
       ALTER TABLE api_keys DROP COLUMN secret_tag, DROP COLUMN previous_secret_tag`,
    );
    const rotated = await rotateKey(databases.primary, made.id);
    const created = await insertKey(databases.primary);
    await databases.replicated();
    await accepts(rotated.authorization);
    await accepts(created.authorization);
    expect(await present(`ApiKey ${made.key}`)).toBe(WRONG);
    await expectEqualDigests();

    // The upgrade of the primary.
    await databases.primary.query(
      'ALTER TABLE api_keys ADD COLUMN secret_tag smallint, ADD COLUMN previous_secret_tag smallint',
    );
    const later = await insertKey(databases.primary);
    await databases.primary.query('UPDATE api_keys SET secret_tag = $2 WHERE id = $1', [
      later.id,
      secretTag(later.id, later.secret),
    ]);
    await databases.replicated();
    await accepts(later.authorization);
    const runs = await argon2Runs();
    expect(await present(wrongSecretFor(later.id))).toBe(WRONG);
    expect(await argon2Runs()).toBe(runs);
    await expectEqualDigests();
  });
});
