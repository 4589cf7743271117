import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { ResponseBudget } from '../../../src/http/response-budget.ts';
import { Freshness } from '../../../src/keys/change-feed/freshness.ts';
import type { LoadedKey } from '../../../src/keys/key-store.ts';
import { callDigest } from '../../../src/regional/authentication-call.ts';
import { PermissionsResolver } from '../../../src/regional/permissions.ts';
import { RequestReader } from '../../../src/regional/request-reader.ts';
import { LocalResponse, ResponseCache } from '../../../src/regional/response-cache.ts';
import { IdentityWriter } from '../../../src/regional/response-writer.ts';
import { RoleResolver } from '../../../src/regional/role-resolver.ts';
import { keyRecord } from '../../support/records.ts';

// A process of its own, so that no other test's objects count.
const MIB = 1_048_576;

const RESPONSES = 8 * MIB;
const REQUESTS = MIB;
const VICTIMS = 300;
const FLOOD = 12_000;
const LIMIT = 1.3;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of the heap after a collection. */
async function heapBytes(): Promise<number> {
  // Objects that a WeakRef has returned live until the end of the turn.
  await setImmediate();
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

/** Kept, so that no collection of an earlier one counts in the measurement of a later one. */
const pods: unknown[] = [];

function pod(descriptorBytes: number) {
  const freshness = new Freshness(() => 0, { revalidateAfterMs: 1, maxStalenessMs: 1 });
  const descriptor = JSON.stringify({ padding: 'x'.repeat(descriptorBytes) });
  const roles = { scopeId: '', roles: new Map([['viewer', descriptor]]), confirmedAtMs: 0, stale: false };
  const budget = new ResponseBudget({ maxBytes: RESPONSES });
  const permissions = new PermissionsResolver(new RoleResolver({ get: async () => roles }), freshness, {
    maxBytes: RESPONSES,
    budget,
  });
  const requests = new RequestReader(REQUESTS);
  const identities = new IdentityWriter();
  const cache = new ResponseCache(freshness, () => false, { maxEntries: 100_000, maxBytes: RESPONSES });
  const keyOf = (organizationId: string): LoadedKey => ({
    record: keyRecord(organizationId, 1, {
      organizationId,
      roleAssignments: {
        project: { elasticsearch: [{ role_id: 'r', all: true, application_roles: ['viewer'] }] },
      },
    }),
    tier: 'memory',
    confirmedAtMs: 0,
    superseded: false,
    stale: false,
  });
  const digestOf = (key: LoadedKey, body: string) =>
    callDigest({
      authorization: key.record.id,
      client: { secret: undefined, certificate: false },
      network: 'peer',
      rawQuery: '',
      body,
    });
  const bodyOf = (key: LoadedKey, project: number) =>
    JSON.stringify({
      contexts: [
        {
          type: 'project',
          project_id: `project-${project}`,
          project_type: 'elasticsearch',
          project_organization_id: key.record.organizationId,
        },
      ],
    });
  const call = async (key: LoadedKey, project: number) => {
    const body = bodyOf(key, project);
    const granted = await permissions.resolve(key.record, requests.read('', body, key.record.organizationId));
    cache.set(digestOf(key, body), new LocalResponse(granted, identities.write(key.record), key, Infinity));
    // Each request has a turn of its own; a WeakRef keeps its object until the end of the turn.
    if (project % 100 === 0) await setImmediate();
  };
  const has = (key: LoadedKey, project: number) =>
    cache.get(digestOf(key, bodyOf(key, project))) !== undefined;
  return { call, has, keyOf };
}

it.each([
  ['short', 100],
  ['of 7 KB', 7_000],
])(
  'many different bodies of one key, with responses %s, stay within the bound, and another tenant keeps its entries',
  async (_name, descriptorBytes) => {
    const measured = pod(descriptorBytes);
    pods.push(measured);
    const { call, has, keyOf } = measured;
    const victim = keyOf('victim');
    const attacker = keyOf('attacker');
    const before = await heapBytes();
    for (let project = 0; project < VICTIMS; project += 1) await call(victim, project);
    for (let project = 0; project < FLOOD; project += 1) await call(attacker, project);
    const grown = (await heapBytes()) - before;
    expect(grown).toBeLessThan(LIMIT * (RESPONSES + REQUESTS));
    // The estimate is not so high that it wastes half of the memory.
    expect(grown).toBeGreaterThan(0.5 * (RESPONSES + REQUESTS));
    expect(Array.from({ length: VICTIMS }, (_, project) => has(victim, project)).every(Boolean)).toBe(true);
    expect(has(attacker, FLOOD - 1)).toBe(true);
  },
  30_000,
);
