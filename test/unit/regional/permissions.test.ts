import { describe, expect, it } from 'vitest';
import { ResponseBudget, SLICE_BYTES } from '../../../src/http/response-budget.ts';
import { Freshness } from '../../../src/keys/change-feed/freshness.ts';
import type { RoleScope, RoleStore } from '../../../src/keys/role-store.ts';
import { asciiJson } from '../../../src/lib/ascii-json.ts';
import { PermissionsResolver } from '../../../src/regional/permissions.ts';
import { layOutPermissions } from '../../../src/regional/response-writer.ts';
import { RoleResolver } from '../../../src/regional/role-resolver.ts';
import { keyRecord } from '../../support/records.ts';

const ROLE = 'lesér';
const descriptorJson = asciiJson({ metadata: { text: 'é'.repeat(1_000) } });

/** A store in which every project has the role. */
function roleStore(): RoleStore & { reads: RoleScope[] } {
  const reads: RoleScope[] = [];
  const predefined = { scopeId: '', roles: new Map(), confirmedAtMs: 0, stale: false };
  return {
    reads,
    get: async (scope) => {
      reads.push(scope);
      if (scope.projectId === '') return predefined;
      const roles = new Map([[ROLE, descriptorJson]]);
      return { scopeId: scope.projectId, roles, confirmedAtMs: 0, stale: false };
    },
  };
}

const record = keyRecord('id', 1, {
  organizationId: 'org',
  roleAssignments: {
    project: { elasticsearch: [{ role_id: 'r', all: true, application_roles: [ROLE, 'ghóst'] }] },
  },
});

const context = (projectId: string, organizationId = 'org') =>
  ({ projectId, projectType: 'elasticsearch', organizationId }) as const;

const requestOf = (contexts: ReturnType<typeof context>[]) => ({
  contexts,
  includeRoleAssignments: true,
  includeRoleDescriptors: true,
});

function resolverOf(store: RoleStore, maxBytes: number, budgetBytes = maxBytes) {
  const freshness = new Freshness(() => 0, { revalidateAfterMs: 1, maxStalenessMs: 1 });
  const budget = new ResponseBudget({ maxBytes: budgetBytes });
  return {
    budget,
    resolver: new PermissionsResolver(new RoleResolver(store), freshness, { maxBytes, budget }),
  };
}

describe('permissions of several contexts', () => {
  it('resolves equal contexts once and repeats them in the response', async () => {
    const store = roleStore();
    const { resolver } = resolverOf(store, 10_000_000);
    const contexts = [...Array(50).fill(0), 1, 0].map((id) => context(`p${id}`));
    const { text, derivedFrom } = await resolver.resolve(record, requestOf(contexts));
    expect(store.reads.filter(({ projectId }) => projectId === 'p0')).toHaveLength(1);
    const parsed = JSON.parse(`${text.slice(0, -1)}}`);
    expect(parsed.contexts.map((one: { project_id: string }) => one.project_id)).toEqual(
      contexts.map(({ projectId }) => projectId),
    );
    expect(parsed.contexts[0].role_descriptors[ROLE]).toEqual(JSON.parse(descriptorJson));
    expect(derivedFrom).toHaveLength(3);
  });

  it('knows the exact size before it writes, also of denied contexts and other characters', async () => {
    const resolver = new RoleResolver(roleStore());
    const contexts = [context('é'), context('é', 'örg'), context('p')];
    const resolved = await Promise.all(contexts.map((one) => resolver.resolve(record, one)));
    const layout = layOutPermissions(record, requestOf(contexts), [...resolved, ...resolved], 1_000_000);
    const text = layout.write();
    expect(layout.bytes).toBe(text.length);
    expect(Buffer.byteLength(text)).toBe(text.length);
    expect(JSON.parse(`${text.slice(0, -1)}}`).denied_contexts).toHaveLength(2);
    for (const [maxBytes, fits] of [
      [layout.bytes, true],
      [layout.bytes - 1, false],
    ] as const) {
      const write = () =>
        layOutPermissions(record, requestOf(contexts), [...resolved, ...resolved], maxBytes);
      if (fits) write();
      else expect(write).toThrow(expect.objectContaining({ reason: 'RESPONSE_TOO_LARGE' }));
    }
  });

  it('says how to ask for less', async () => {
    const { resolver } = resolverOf(roleStore(), 100_000);
    const request = requestOf(Array(100).fill(context('p')));
    await expect(resolver.resolve(record, request)).rejects.toThrow(
      'more than 100000 bytes. Request fewer contexts, or add ?include_role_descriptors=false',
    );
    await resolver.resolve(record, { ...request, includeRoleDescriptors: false });
  });

  it('refuses ten thousand names in each of a thousand projects while the event loop turns', async () => {
    const entries = Array.from({ length: 10 }, (_, entry) => ({
      role_id: 'r',
      all: true,
      application_roles: Array.from({ length: 1_000 }, (_, index) => `${entry}-${index}`),
    }));
    const many = { ...record, roleAssignments: { project: { elasticsearch: entries } } };
    const { resolver } = resolverOf(roleStore(), 2_000_000);
    const contexts = Array.from({ length: 1_000 }, (_, index) => context(`p${index}`));
    let turns = 0;
    const counting = setImmediate(function count() {
      turns += 1;
      immediate = setImmediate(count);
    });
    let immediate = counting;
    await expect(resolver.resolve(many, requestOf(contexts))).rejects.toMatchObject({
      reason: 'RESPONSE_TOO_LARGE',
    });
    clearImmediate(immediate);
    expect(turns).toBeGreaterThan(10);
  });

  it('writes long texts only within the budget, and returns what it reserved', async () => {
    const { resolver, budget } = resolverOf(roleStore(), 400_000);
    const request = requestOf(Array(50).fill(context('p')));
    const outcomes = await Promise.allSettled([
      resolver.resolve(record, request),
      resolver.resolve(record, { ...request }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect((await resolver.resolve(record, request)).text.length).toBeGreaterThan(SLICE_BYTES);
    expect(budget.fits(400_000, 'org')).toBe(true);
  });

  it('counts the names of all assigned roles before it resolves them', async () => {
    const ghosts = keyRecord('id', 1, {
      organizationId: 'org',
      roleAssignments: {
        project: { elasticsearch: [{ role_id: 'r', all: true, application_roles: ['12345', '1234567'] }] },
      },
    });
    // Each name has two quotes and a comma.
    for (const [maxBytes, reason] of [
      [18, 'PERMISSION_DENIED'],
      [17, 'RESPONSE_TOO_LARGE'],
    ] as const) {
      const { resolver } = resolverOf(roleStore(), maxBytes);
      await expect(resolver.resolve(ghosts, requestOf([context('p')]))).rejects.toMatchObject({ reason });
    }
  });

  it.each([
    ['1,000 names', 1_000, false],
    ['1,001 names', 1_001, true],
  ])('resolves %s within one turn of the event loop, or in another', async (_, count, inAnother) => {
    const names = Array.from({ length: count }, (_, index) => `n${index}`);
    const named = keyRecord('id', 1, {
      organizationId: 'org',
      roleAssignments: {
        project: { elasticsearch: [{ role_id: 'r', all: true, application_roles: names }] },
      },
    });
    const { resolver } = resolverOf(roleStore(), 10_000_000);
    const ends = await endsInAnotherTurn(resolver.resolve(named, requestOf([context('p')])).catch(() => {}));
    expect(ends).toBe(inAnother);
  });

  it.each([
    [SLICE_BYTES, false],
    [SLICE_BYTES + 1, true],
  ])(
    'writes a text of %i bytes within one turn of the event loop, or in another',
    async (bytes, inAnother) => {
      const request = { ...requestOf([]), contexts: undefined, includeRoleAssignments: false };
      const { resolver } = resolverOf(roleStore(), 10_000_000);
      const textFor = (organizationId: string) =>
        resolver.resolve({ ...padded, organizationId }, { ...request });
      const padded = keyRecord('id', 1);
      const { text } = await textFor('');
      const resolving = textFor('o'.repeat(bytes - text.length));
      expect(await endsInAnotherTurn(resolving)).toBe(inAnother);
      expect((await resolving).text).toHaveLength(bytes);
    },
  );

  it('keeps the last twenty thousand permissions', async () => {
    const { resolver } = resolverOf(roleStore(), 10_000_000);
    const requests = Array.from({ length: 20_001 }, () => ({ ...requestOf([]), contexts: undefined }));
    const resolve = (request: (typeof requests)[number]) => resolver.resolve(record, request);
    const all = await Promise.all(requests.map(resolve));
    const again = await Promise.all(requests.slice(0, 2).toReversed().map(resolve));
    expect([again[0] === all[1], again[1] === all[0]]).toEqual([true, false]);
  });
});

/** Whether a promise needs another turn of the event loop. */
async function endsInAnotherTurn(promise: Promise<unknown>): Promise<boolean> {
  let isAnother = false;
  setImmediate(() => {
    isAnother = true;
  });
  await promise;
  return isAnother;
}
