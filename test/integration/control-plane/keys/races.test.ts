import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  callApi,
  newOrganization,
  OWNER_ASSIGNMENTS,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey } from '../../../support/keys.ts';
import { createPrimary, type TestPrimary } from '../../../support/primary.ts';
import { startTcpProxy, type TcpProxy } from '../../../support/servers/tcp-proxy.ts';

const KEYS = '/api/v1/users/auth/keys';

let primary: TestPrimary;
let proxy: TcpProxy;
let controlPlane: TestControlPlane;
beforeAll(async () => {
  primary = await createPrimary();
  const url = new URL(primary.controlPlaneUrl);
  proxy = await startTcpProxy({ targetPort: Number(url.port) });
  url.port = String(proxy.port);
  controlPlane = await startTestControlPlane({}, { ...primary, controlPlaneUrl: url.href });
});
afterAll(async () => {
  await controlPlane?.close();
  await proxy?.close();
  await primary?.close();
});

const create = (owner: IssuedKey, headers: Record<string, string> = {}, description = 'made') =>
  callApi(controlPlane, 'POST', KEYS, owner.authorization, { body: { description }, headers });
const countKeys = async (owner: IssuedKey) => {
  const { rows } = await primary.pool.query(
    'SELECT count(*)::int AS count FROM api_keys WHERE organization_id = $1 AND revoked_at IS NULL',
    [owner.organizationId],
  );
  return rows[0].count;
};

describe('the quota', () => {
  it('of 500 is not exceeded by concurrent creations of the 500th key', async () => {
    const owner = await newOrganization(primary.pool);
    await primary.pool.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by)
       SELECT 'filler-' || $1 || n, $1, 'filler', 'none', '{}', 'user-1' FROM generate_series(1, 498) n`,
      [owner.organizationId],
    );
    const responses = await Promise.all(Array.from({ length: 8 }, () => create(owner)));
    expect(responses.map(({ status }) => status).toSorted()).toEqual([201, ...Array(7).fill(409)]);
    expect(responses.find(({ status }) => status === 409)?.body.errors[0].code).toBe(
      'api_keys.quota_exceeded',
    );
    expect(await countKeys(owner)).toBe(500);
  });

  it('counts every change of keys, and is never below the number of active keys', async () => {
    const { organizationId } = await newOrganization(primary.pool);
    const counted = async () => {
      const { rows } = await primary.pool.query(
        `SELECT external_keys, internal_keys,
           (SELECT count(*)::int FROM api_keys WHERE organization_id = $1 AND internal = false
              AND is_active(revoked_at, expires_at)) AS external,
           (SELECT count(*)::int FROM api_keys WHERE organization_id = $1 AND internal
              AND is_active(revoked_at, expires_at)) AS internal
         FROM organizations WHERE id = $1`,
        [organizationId],
      );
      return rows[0];
    };
    const changes = [
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, internal, expires_at)
       SELECT 'counted-' || $1 || n, $1, 'x', 'none', '{}', 'u', n % 2 = 0,
         CASE n % 5 WHEN 0 THEN now() - interval '1 day' WHEN 1 THEN now() + interval '1 day' END
       FROM generate_series(1, 200) n`,
      `UPDATE api_keys SET revoked_at = now() WHERE organization_id = $1 AND md5(id) < '4'`,
      `UPDATE api_keys SET expires_at = now() + interval '1 day' WHERE organization_id = $1 AND md5(id) > 'c'`,
      `UPDATE api_keys SET description = 'y' WHERE organization_id = $1`,
      `UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE organization_id = $1 AND md5(id) > 'e'`,
      `UPDATE api_keys SET revoked_at = NULL WHERE organization_id = $1 AND md5(id) < '2'`,
    ];
    for (const change of changes) {
      await primary.pool.query(change, [organizationId]);
      const { external_keys: external, internal_keys: internal, ...actual } = await counted();
      expect({ external, internal }).toEqual(actual);
    }
  });

  it('excludes revoked and expired keys', async () => {
    const owner = await newOrganization(primary.pool, 2);
    await insertKey(primary.pool, { organizationId: owner.organizationId, expiresAt: new Date(0) });
    const made = await create(owner);
    expect(made.status).toBe(201);
    expect((await create(owner)).status).toBe(409);
    await callApi(controlPlane, 'DELETE', `${KEYS}/${made.body.id}`, owner.authorization);
    expect((await create(owner)).status).toBe(201);
  });
});

it('leaves exactly one owner when two owners revoke each other concurrently', async () => {
  for (let round = 0; round < 5; round += 1) {
    const one = await newOrganization(primary.pool);
    const two = await insertKey(primary.pool, {
      organizationId: one.organizationId,
      roleAssignments: OWNER_ASSIGNMENTS,
    });
    const responses = await Promise.all([
      callApi(controlPlane, 'DELETE', `${KEYS}/${two.id}`, one.authorization),
      callApi(controlPlane, 'DELETE', `${KEYS}/${one.id}`, two.authorization),
    ]);
    // The one that came second was itself revoked by then.
    expect(responses.map(({ status }) => status).toSorted()).toEqual([200, 401]);
    expect(await countKeys(one)).toBe(1);
  }
});

describe('a repetition with the same Idempotency-Key', () => {
  it('returns the same key and secret, and creates no second key', async () => {
    const owner = await newOrganization(primary.pool);
    const headers = { 'idempotency-key': 'attempt-1' };
    const first = await create(owner, headers);
    const second = await create(owner, headers);
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    expect([first, second].map(({ headers }) => headers.get('idempotent-replayed'))).toEqual([null, 'true']);
    expect(await countKeys(owner)).toBe(2);
  });

  it('creates one key when sent concurrently', async () => {
    const owner = await newOrganization(primary.pool);
    const responses = await Promise.all(
      Array.from({ length: 6 }, () => create(owner, { 'idempotency-key': 'at once' })),
    );
    expect(new Set(responses.map(({ body }) => body.key)).size).toBe(1);
    expect(await countKeys(owner)).toBe(2);
  });

  it('is refused for a different request, and is independent of another key’s', async () => {
    const owner = await newOrganization(primary.pool);
    const other = await insertKey(primary.pool, {
      organizationId: owner.organizationId,
      roleAssignments: OWNER_ASSIGNMENTS,
    });
    const headers = { 'idempotency-key': 'mine' };
    const first = await create(owner, headers);
    const changed = await create(owner, headers, 'something else');
    expect([changed.status, changed.body.errors[0].code]).toEqual([422, 'api_keys.idempotency_mismatch']);
    const others = await create(other, headers);
    expect([others.status, others.headers.get('idempotent-replayed')]).toEqual([201, null]);
    expect(others.body.id).toEqual(expect.any(String));
    expect(others.body.id).not.toBe(first.body.id);
    // Each caller has a response of its own.
    expect((await create(owner, headers)).body).toEqual(first.body);
    expect((await create(other, headers)).body).toEqual(others.body);
    expect(await countKeys(owner)).toBe(4);
  });

  it('cannot be opened with another secret of the key, or by a reader of the database', async () => {
    const owner = await newOrganization(primary.pool);
    const headers = { 'idempotency-key': 'sealed' };
    const first = await create(owner, headers);
    const rotated = await callApi(controlPlane, 'POST', `${KEYS}/${owner.id}/_rotate`, owner.authorization);
    const repeated = await callApi(controlPlane, 'POST', KEYS, `ApiKey ${rotated.body.key}`, {
      body: { description: 'made' },
      headers,
    });
    expect([repeated.status, repeated.body.errors[0].code]).toEqual([409, 'api_keys.idempotency_unreadable']);
    const { rows } = await primary.pool.query(
      "SELECT encode(sealed_answer, 'escape') AS text FROM idempotent_answers",
    );
    for (const { text } of rows) expect(text).not.toContain(first.body.key);
  });

  it('rotates once, so that the secret in use is not lost', async () => {
    const owner = await newOrganization(primary.pool);
    const made = await create(owner);
    const rotate = () =>
      callApi(controlPlane, 'POST', `${KEYS}/${made.body.id}/_rotate`, owner.authorization, {
        headers: { 'idempotency-key': 'rotate-1' },
      });
    const [first, second] = [await rotate(), await rotate()];
    expect(second.body).toEqual(first.body);
    const old = await callApi(controlPlane, 'GET', KEYS, `ApiKey ${made.body.key}`);
    expect(old.status).toBe(200);
  });

  it('creates no second key after the primary failed between commit and response', async () => {
    const owner = await newOrganization(primary.pool);
    // Holds the commit of this one key open, as a slow disk would.
    await primary.pool.query(`
      CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON api_keys DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.description = 'slow') EXECUTE FUNCTION slow_commit()`);
    const headers = { 'idempotency-key': 'lost response' };
    const lost = create(owner, headers, 'slow');
    await expect
      .poll(async () => {
        const { rows } = await primary.pool.query(
          `SELECT count(*)::int AS count FROM pg_stat_activity
           WHERE query = 'COMMIT' AND wait_event = 'PgSleep' AND datname = current_database()`,
        );
        return rows[0].count;
      })
      .toBe(1);
    await proxy.cut();
    const response = await lost;
    expect([response.status, response.body.errors[0].code]).toEqual([503, 'root.unavailable']);
    expect(response.headers.get('retry-after')).toBe('1');

    await proxy.restore();
    const repeated = await create(owner, headers, 'slow');
    expect(repeated.status).toBe(201);
    expect(repeated.headers.get('idempotent-replayed')).toBe('true');
    expect(await countKeys(owner)).toBe(2);
    expect((await callApi(controlPlane, 'GET', KEYS, `ApiKey ${repeated.body.key}`)).status).toBe(200);
  });
});

it('changes of one organization that wait do not delay another organization', async () => {
  const [busy, other] = [await newOrganization(primary.pool), await newOrganization(primary.pool)];
  const holder = await primary.pool.connect();
  try {
    await holder.query('BEGIN');
    await holder.query('SELECT FROM organizations WHERE id = $1 FOR UPDATE', [busy.organizationId]);
    // More than the control plane has connections, of which the organization gets half.
    const waiting = Array.from({ length: 20 }, () => create(busy));
    await expect
      .poll(async () => {
        const { rows } = await primary.pool.query(
          "SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        );
        return rows[0].count;
      })
      .toBe(4);
    for (let count = 0; count < 10; count += 1) {
      expect((await callApi(controlPlane, 'GET', KEYS, other.authorization)).status).toBe(200);
    }
    await holder.query('COMMIT');
    for (const response of await Promise.all(waiting)) expect(response.status).toBe(201);
  } finally {
    holder.release();
  }
});
