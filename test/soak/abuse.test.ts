import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { hashSecret } from '../../src/credential/hash.ts';
import { secretTag } from '../../src/credential/secret-tag.ts';
import { MAX_BODY_BYTES } from '../../src/regional/authentication-request.ts';
import { AttackedPod, type Damage } from '../support/abuse/attacked-pod.ts';
import {
  guessSecrets,
  readNothing,
  requestMuch,
  sendDeepBodies,
  sendSlowBodies,
} from '../support/abuse/attacks.ts';
import { createDatabases, type TestDatabases } from '../support/databases.ts';
import { authorizationOf, type IssuedKey, insertKey, newCredential, projectRoles } from '../support/keys.ts';
import { printFigures } from '../support/load.ts';
import { putRole } from '../support/roles.ts';

/** The bounds hold on a machine that does nothing else; CI only compares with a pod without the guard. */
const ASSERTS_BOUNDS = process.env.SOAK_BOUNDS === 'true';
const MAX_DELAY_MS = 50;
/** How much larger the attacks are than in CI. */
const SCALE = ASSERTS_BOUNDS ? 4 : 1;
const GIB = 1_073_741_824;
const ROLES = ['a', 'b', 'c', 'd'];
const COLD_KEYS = 100;
const TARGETS = 300;
/** Parameters of production, so that a comparison costs what it costs there. */
const HASH_PARAMETERS = { memoryKiB: 19_456, timeCost: 2, parallelism: 1 };

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

let databases: TestDatabases;
let owner: IssuedKey;
beforeAll(async () => {
  databases = await createDatabases();
  owner = await insertKey(databases.primary, {
    roleAssignments: projectRoles('elasticsearch', 'p1', ROLES),
  });
  // What roles could have before their size was limited.
  for (const role of ROLES)
    await putRole(databases.primary, owner.organizationId, role, {
      metadata: { padding: 'x'.repeat(262_144) },
    });
  await databases.replicated();
});
afterAll(async () => {
  await databases?.close();
});

/** Keys of one organization with the cost of production; they share a secret, because hashing takes long. */
async function newKeys(count: number, { tagged }: { tagged: boolean }) {
  const { organizationId } = await insertKey(databases.primary);
  const { secret } = newCredential();
  const ids = Array.from({ length: count }, () => newCredential().id);
  await databases.primary.query(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, secret_tag, role_assignments, created_by, version)
     SELECT id, $1, 'test', $4, tag, $5, 'user-1', 0 FROM unnest($2::text[], $3::smallint[]) AS given (id, tag)`,
    [
      organizationId,
      ids,
      ids.map((id) => (tagged ? secretTag(id, secret) : null)),
      await hashSecret(secret, HASH_PARAMETERS),
      JSON.stringify(projectRoles('elasticsearch', 'p1', ['viewer'])),
    ],
  );
  await databases.replicated();
  return ids.map((id) => ({
    id,
    organizationId,
    authorization: authorizationOf({ id, secret, layout: 'v1' }),
  }));
}

/** Attacks a new pod. @param settings of the pod */
async function attacked(
  name: string,
  settings: Record<string, string>,
  attack: (pod: { url: string }) => Promise<void>,
): Promise<Damage> {
  const [warm, ...cold] = await newKeys(COLD_KEYS + 1, { tagged: true });
  const pod = await AttackedPod.start(databases.replicaUrl, settings);
  try {
    const damage = await pod.during(attack, warm as (typeof cold)[number], cold);
    printFigures(`abuse: ${name}`, damage);
    return damage;
  } finally {
    await pod.stop();
  }
}

/** The victim of a guarded pod notices nothing. */
function expectUnharmed({ outcomes, delayMs }: Damage): void {
  expect(Object.keys(outcomes)).toEqual(['200']);
  if (ASSERTS_BOUNDS) expect(delayMs).toBeLessThanOrEqual(MAX_DELAY_MS);
}

it('requests for responses of hundreds of megabytes take neither memory nor time', async () => {
  const attack = (pod: { url: string }) => requestMuch(pod.url, owner, 220, 3 * SCALE);
  const guarded = await attacked('long responses', {}, attack);
  const unguarded = await attacked(
    'long responses, without the bound',
    { MAX_RESPONSE_BYTES: '268435456', RESPONSE_BUDGET_BYTES: String(4 * GIB - 1) },
    attack,
  );
  expectUnharmed(guarded);
  expect(guarded.residentMiB).toBeLessThan(unguarded.residentMiB / 2);
});

it('clients that do not read long responses take a bounded amount of memory', async () => {
  const attack = (pod: { url: string }) => readNothing(pod.url, owner, 100 * SCALE);
  const guarded = await attacked('unread responses', {}, attack);
  const unguarded = await attacked(
    'unread responses, without the budget',
    { RESPONSE_BUDGET_BYTES: String(4 * GIB - 1) },
    attack,
  );
  expectUnharmed(guarded);
  expect(guarded.residentMiB).toBeLessThan(unguarded.residentMiB / 2);
});

it('bodies that never end take a bounded amount of memory', async () => {
  const attack = (pod: { url: string }) => sendSlowBodies(pod.url, 900 * SCALE, MAX_BODY_BYTES);
  const guarded = await attacked('slow bodies', {}, attack);
  const unguarded = await attacked(
    'slow bodies, without the budget',
    { BODY_BUDGET_BYTES: String(16 * GIB), BODY_TIMEOUT_MS: '60000' },
    attack,
  );
  expectUnharmed(guarded);
  expect(guarded.residentMiB).toBeLessThan(unguarded.residentMiB / 2);
});

it('long bodies with credentials that are made up do not occupy the event loop', async () => {
  const { outcomes, warmP99Ms } = await attacked('deep bodies', {}, (pod) =>
    sendDeepBodies(pod.url, 30, 3_000 * SCALE),
  );
  expect(Object.keys(outcomes)).toEqual(['200']);
  // An absolute bound. That no body is parsed is tested in test/unit/regional/authentication-service.test.ts.
  expect(warmP99Ms).toBeLessThan(1_000);
});

it('wrong secrets for the keys of one organization do not delay the cold keys of another', async () => {
  const attackOf = async (tagged: boolean) => {
    const targets = await newKeys(TARGETS, { tagged });
    return (pod: { url: string }) => guessSecrets(pod.url, targets, 4_000 * SCALE);
  };
  const guarded = await attacked('wrong secrets', {}, await attackOf(true));
  const unguarded = await attacked('wrong secrets, keys without a tag', {}, await attackOf(false));
  expectUnharmed(guarded);
  expect(guarded.argon2Runs).toBeLessThan(3);
  expect(unguarded.argon2Runs).toBeGreaterThan(20);
  if (ASSERTS_BOUNDS) expect(guarded.coldP50Ms).toBeLessThan(unguarded.coldP50Ms);
});
