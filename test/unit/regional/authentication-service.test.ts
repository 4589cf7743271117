import { describe, expect, it } from 'vitest';
import { IamError } from '../../../src/errors.ts';
import { type ResponseBody, ResponseBudget } from '../../../src/http/response-budget.ts';
import { Freshness } from '../../../src/keys/change-feed/freshness.ts';
import { ClientAuthentication } from '../../../src/keys/client-authentication.ts';
import { KeyAuthenticator } from '../../../src/keys/key-authenticator.ts';
import { type LoadedKey, StoreUnavailableError, type Tier } from '../../../src/keys/key-store.ts';
import { type LoadedRoles, roleScopeId } from '../../../src/keys/role-store.ts';
import type { SecretMatch } from '../../../src/keys/secret-verifier.ts';
import { type AuthenticationCall, callDigest } from '../../../src/regional/authentication-call.ts';
import { AuthenticationService } from '../../../src/regional/authentication-service.ts';
import { PermissionsResolver } from '../../../src/regional/permissions.ts';
import { type CachedResponse, ResponseCache } from '../../../src/regional/response-cache.ts';
import { RoleResolver } from '../../../src/regional/role-resolver.ts';
import type { SharedResponses } from '../../../src/regional/shared-responses.ts';
import { authorizationOf, newCredential, projectRoles } from '../../support/keys.ts';
import { keyRecord } from '../../support/records.ts';

const MAX_RESPONSE_BYTES = 1_048_576;
const REVALIDATE_AFTER_MS = 2_000;
const START_MS = 1_000_000;
const credential = newCredential();

/** A pod whose stores, Redis and clock the test controls. */
class Pod {
  nowMs = START_MS;
  reads = { keys: 0, roles: 0, shared: 0 };
  stored: string[] = [];
  key: Partial<LoadedKey> = {};
  assignments: object = projectRoles('elasticsearch', 'shop', ['viewer', 'custom']);
  expiresAtMs: number | null = null;
  tier: Tier = 'postgres';
  match: SecretMatch = 'current';
  failure: Error | undefined;
  sharedResponse: CachedResponse | undefined;
  inMemory = false;
  available = true;
  tooOld = false;
  refused: Error | undefined;
  supersededByFence = false;
  #loadedRoles = new Map<string, LoadedRoles & { stale: boolean }>();
  readonly freshness = new Freshness(() => this.nowMs, {
    revalidateAfterMs: REVALIDATE_AFTER_MS,
    maxStalenessMs: 900_000,
  });
  readonly service: AuthenticationService;

  constructor({ redis = true, maxBytes = MAX_RESPONSE_BYTES } = {}) {
    const hasPassed = (atMs: number) => this.nowMs >= atMs;
    const authenticator = new KeyAuthenticator({
      acceptedPrefixes: ['essu_dev'],
      keys: { get: async () => this.#loadKey() },
      secrets: { match: async () => this.match },
      clientAuthentication: new ClientAuthentication([]),
      hasPassed,
    });
    const roles = { get: async (scope: Parameters<typeof roleScopeId>[0]) => this.#loadRoles(scope) };
    const responses = new ResponseCache(
      this.freshness,
      hasPassed,
      { maxEntries: 10, maxBytes: 1e6 },
      {
        supersede: async () => this.supersededByFence,
      },
    );
    const sharedResponses = {
      read: async () => {
        this.reads.shared += 1;
        return this.sharedResponse;
      },
      store: async (digest: string) => void this.stored.push(digest),
    } as unknown as SharedResponses;
    const limits = {
      maxBytes,
      budget: new ResponseBudget({ maxBytes }),
    };
    this.service = new AuthenticationService({
      authenticator,
      permissions: new PermissionsResolver(new RoleResolver(roles), this.freshness, limits),
      responses,
      ...limits,
      requestCacheBytes: 1_000_000,
      sharedResponses: redis ? sharedResponses : undefined,
      isKeyInMemory: () => this.inMemory,
      assertConfirmed: () => {
        if (this.refused) throw this.refused;
      },
      isReplicaAvailable: () => this.available,
      isReplicationTooOld: () => this.tooOld,
    });
  }

  #loadKey(): LoadedKey {
    this.reads.keys += 1;
    if (this.failure) throw this.failure;
    const fields = { roleAssignments: this.assignments, expiresAtMs: this.expiresAtMs };
    const record = keyRecord(credential.id, 1, fields);
    return {
      record,
      tier: this.tier,
      confirmedAtMs: this.nowMs,
      superseded: false,
      stale: false,
      ...this.key,
    };
  }

  #loadRoles(scope: Parameters<typeof roleScopeId>[0]): LoadedRoles {
    this.reads.roles += 1;
    const name = scope.organizationId === '' ? 'viewer' : 'custom';
    const loaded = {
      scopeId: roleScopeId(scope),
      roles: new Map([[name, `{"version":${this.reads.roles}}`]]),
      confirmedAtMs: this.nowMs,
      stale: false,
    };
    this.#loadedRoles.set(name, loaded);
    return loaded;
  }

  /** As the role cache does when the change feed reports a change. */
  changeRoles(name: 'viewer' | 'custom'): void {
    const loaded = this.#loadedRoles.get(name);
    if (loaded) loaded.stale = true;
  }

  /** The response, or the reason of the refusal. */
  async ask(
    change: Partial<AuthenticationCall> = {},
  ): Promise<{ tier?: Tier; body?: unknown; reason?: string }> {
    const call = { ...shopCall, ...change };
    try {
      const { tier, body } = await this.service.authenticate(call, callDigest(call));
      return { tier, body: JSON.parse(String(body)) };
    } catch (error) {
      return { reason: error instanceof IamError ? error.reason : (error as Error).name };
    }
  }

  /** The cached body. */
  lookup(change: Partial<AuthenticationCall> = {}): ResponseBody | undefined {
    return this.service.lookup(callDigest({ ...shopCall, ...change }));
  }
}

const shopCall: AuthenticationCall = {
  authorization: authorizationOf(credential),
  client: { secret: undefined, certificate: false },
  network: '192.0.2.1',
  rawQuery: '',
  body: JSON.stringify({
    contexts: [
      { type: 'project', project_id: 'shop', project_type: 'elasticsearch', project_organization_id: 'org' },
    ],
  }),
};

const shared = (body: string): CachedResponse => ({
  body,
  ownBytes: body.length,
  permissions: { text: '' },
  organizationId: 'org',
  validUntilMs: undefined,
  isValid: () => true,
  origin: () => ({ key: { id: credential.id, version: 1 }, scopes: [], confirmedAtMs: START_MS }),
});

describe('a response', () => {
  it('is cached until its key expires', async () => {
    const pod = new Pod();
    pod.expiresAtMs = START_MS + 500;
    expect(await pod.ask()).toMatchObject({ tier: 'postgres', body: { credentials: { id: credential.id } } });
    pod.nowMs += 499;
    expect(pod.lookup()).toBeDefined();
    pod.nowMs += 1;
    expect(pod.lookup()).toBeUndefined();
  });

  it('is cached while key and roles are fresh', async () => {
    const pod = new Pod();
    await pod.ask();
    pod.nowMs += REVALIDATE_AFTER_MS;
    expect(pod.lookup()).toBeDefined();
    pod.nowMs += 1;
    expect(pod.lookup()).toBeUndefined();
  });

  it.each(['viewer', 'custom'] as const)('is not used after a change of the role %s', async (name) => {
    const pod = new Pod();
    const before = await pod.ask();
    pod.changeRoles(name);
    expect(pod.lookup()).toBeUndefined();
    expect(await pod.ask()).not.toEqual(before);
    expect(pod.lookup()).toBeDefined();
  });

  it('needs roles only once for equal assignments, and custom roles only if an assigned role is not predefined', async () => {
    const pod = new Pod();
    pod.assignments = projectRoles('elasticsearch', 'shop', ['viewer']);
    await pod.ask();
    expect(pod.reads.roles).toBe(1);
    await pod.ask({ authorization: `${shopCall.authorization} ` });
    expect(pod.reads).toMatchObject({ keys: 2, roles: 1 });
  });

  it('lists assigned roles that do not exist, and is refused if none exists', async () => {
    const pod = new Pod();
    pod.assignments = projectRoles('elasticsearch', 'shop', ['ghost', 'viewer']);
    expect(await pod.ask()).toMatchObject({
      body: { contexts: [{ application_roles: ['viewer'], unresolved_application_roles: ['ghost'] }] },
    });
    pod.assignments = projectRoles('elasticsearch', 'shop', ['ghost']);
    expect(await pod.ask()).toEqual({ reason: 'PERMISSION_DENIED' });
  });

  it('lists denied projects, and is refused if all are denied', async () => {
    const pod = new Pod();
    const context = (project_id: string, organization = 'org') => ({
      type: 'project',
      project_id,
      project_type: 'elasticsearch',
      project_organization_id: organization,
    });
    const body = (...contexts: object[]) => JSON.stringify({ contexts });
    const granted = await pod.ask({ body: body(context('shop'), context('shop', 'another')) });
    expect(granted).toMatchObject({ body: { contexts: [{}], denied_contexts: [{}] } });
    expect(await pod.ask({ body: body(context('shop', 'another')) })).toEqual({
      reason: 'PERMISSION_DENIED',
    });
    expect(await pod.ask({ body: body() })).toMatchObject({ body: { contexts: [] } });
  });
});

it('a response is refused beyond the maximum size, with the identity of the key', async () => {
  const { body } = await new Pod().service.authenticate(shopCall, callDigest(shopCall));
  const { length } = String(body);
  expect(await new Pod({ maxBytes: length }).ask()).toMatchObject({ tier: 'postgres' });
  expect(await new Pod({ maxBytes: length - 1 }).ask()).toEqual({ reason: 'RESPONSE_TOO_LARGE' });
});

describe('the response of another pod', () => {
  it('is used if the key is not in memory', async () => {
    const pod = new Pod();
    pod.sharedResponse = shared('{"from":"another pod"}');
    expect(await pod.ask()).toEqual({ tier: 'redis', body: { from: 'another pod' } });
    expect(pod.lookup()).toBe('{"from":"another pod"}');
    expect(pod.reads.keys).toBe(0);
  });

  it('is not looked up if the key is in memory, or without Redis', async () => {
    const pod = new Pod();
    pod.sharedResponse = shared('{"from":"another pod"}');
    pod.inMemory = true;
    expect(await pod.ask()).toMatchObject({ tier: 'postgres' });
    expect(pod.reads.shared).toBe(0);
    expect(await new Pod({ redis: false }).ask()).toMatchObject({ tier: 'postgres' });
  });

  it('is stored unless the key was in memory', async () => {
    const pod = new Pod();
    await pod.ask();
    expect(pod.stored).toEqual([callDigest(shopCall)]);
    pod.tier = 'memory';
    await pod.ask();
    expect(pod.stored).toHaveLength(1);
  });
});

describe('nothing is accepted', () => {
  it('while replication is too old, not even a cached response', async () => {
    const pod = new Pod();
    await pod.ask();
    pod.tooOld = true;
    expect(pod.lookup()).toBeUndefined();
    expect(await pod.ask()).toEqual({ reason: 'REPLICATION_TOO_OLD' });
  });

  it('if the region cannot confirm the row of the key', async () => {
    const pod = new Pod();
    pod.sharedResponse = shared('{}');
    pod.refused = new IamError('REPLICA_UNCONFIRMED');
    expect(await pod.ask()).toEqual({ reason: 'REPLICA_UNCONFIRMED' });
    expect(pod.reads).toEqual({ keys: 0, roles: 0, shared: 0 });
  });

  it.each([
    ['body', { body: '{' }],
    ['query', { rawQuery: 'include_role_assignments=yes' }],
  ])('from a caller without a valid credential, before its %s is parsed', async (_name, invalid) => {
    const pod = new Pod();
    expect(await pod.ask({ authorization: undefined, ...invalid })).toEqual({
      reason: 'CREDENTIAL_UNDECODABLE',
    });
    pod.match = 'none';
    expect(await pod.ask(invalid)).toEqual({ reason: 'API_KEY_MISSING' });
    pod.match = 'current';
    pod.expiresAtMs = pod.nowMs;
    expect(await pod.ask(invalid)).toEqual({ reason: 'API_KEY_EXPIRED' });
    pod.expiresAtMs = null;
    expect(await pod.ask(invalid)).toEqual({ reason: 'REQUEST_INVALID' });
  });
});

describe('before its body is read, a call', () => {
  const head = (authorization: string | undefined, certificate: boolean, tooOld = false) => {
    const pod = new Pod();
    pod.tooOld = tooOld;
    return () => pod.service.assertHead(authorization, certificate);
  };

  it.each([
    [undefined, false, false, 'CREDENTIAL_UNDECODABLE'],
    ['ApiKey essu_', false, false, 'CREDENTIAL_UNDECODABLE'],
    ['ApiKey essu_', true, false, 'CREDENTIAL_UNDECODABLE'],
    [shopCall.authorization, false, true, 'REPLICATION_TOO_OLD'],
    [undefined, true, true, 'REPLICATION_TOO_OLD'],
  ])(
    'with credential %s, certificate %s and replication too old %s is refused: %s',
    (authorization, certificate, tooOld, reason) => {
      expect(head(authorization, certificate, tooOld)).toThrow(expect.objectContaining({ reason }));
    },
  );

  it.each([
    [shopCall.authorization, false],
    [shopCall.authorization, true],
    [undefined, true],
    ['', true],
  ])('is not refused if its body decides: credential %s, certificate %s', (authorization, certificate) => {
    expect(head(authorization, certificate)).not.toThrow();
  });
});

describe('while the replica is unavailable', () => {
  /** A pod with a cached response that is due for revalidation. */
  async function cutOff() {
    const pod = new Pod();
    await pod.ask();
    pod.nowMs += REVALIDATE_AFTER_MS + 1;
    pod.failure = new StoreUnavailableError('Postgres');
    return pod;
  }

  it('the former response is used, at once if the outage is known', async () => {
    const pod = await cutOff();
    expect(await pod.ask()).toMatchObject({ tier: 'memory', body: {} });
    expect(pod.reads.keys).toBe(2);
    pod.available = false;
    expect(await pod.ask()).toMatchObject({ tier: 'memory' });
    expect(pod.reads.keys).toBe(2);
  });

  it('it is not used once a pod of the region knows of a change', async () => {
    const pod = await cutOff();
    pod.supersededByFence = true;
    expect(await pod.ask()).toEqual({ reason: 'StoreUnavailableError' });
    pod.supersededByFence = false;
    expect(await pod.ask(), 'dropped').toEqual({ reason: 'StoreUnavailableError' });
  });

  it('it is not used for another call, or instead of another refusal', async () => {
    const pod = await cutOff();
    expect(await pod.ask({ rawQuery: 'include_role_assignments=true' })).toEqual({
      reason: 'StoreUnavailableError',
    });
    pod.failure = new IamError('API_KEY_MISSING');
    expect(await pod.ask()).toEqual({ reason: 'API_KEY_MISSING' });
  });

  it('it is not used after the key has expired', async () => {
    const pod = new Pod();
    pod.expiresAtMs = START_MS + 5_000;
    await pod.ask();
    pod.failure = new StoreUnavailableError('Postgres');
    pod.nowMs += 4_999;
    expect(await pod.ask()).toMatchObject({ tier: 'memory' });
    pod.nowMs += 1;
    expect(await pod.ask()).toEqual({ reason: 'StoreUnavailableError' });
  });
});

describe('a call without Authorization', () => {
  const anonymous = { authorization: undefined, rawQuery: 'include_token=true' };
  const client = { secret: undefined, certificate: true };

  it('is a request for a token only with a certificate and the wish for one', async () => {
    const pod = new Pod();
    expect(await pod.ask({ ...anonymous, client })).toEqual({ reason: 'TOKENS_NOT_SUPPORTED' });
    expect(await pod.ask({ ...anonymous, client, authorization: '' })).toEqual({
      reason: 'TOKENS_NOT_SUPPORTED',
    });
    const missing = { reason: 'CREDENTIAL_UNDECODABLE' };
    expect(await pod.ask(anonymous)).toEqual(missing);
    expect(await pod.ask({ ...anonymous, client, rawQuery: '' })).toEqual(missing);
    expect(await pod.ask({ rawQuery: 'include_token=true' })).toMatchObject({ tier: 'postgres' });
    expect(await pod.ask({ rawQuery: 'include_token=true', client })).toEqual({
      reason: 'CLIENT_AUTHENTICATION',
    });
  });
});
