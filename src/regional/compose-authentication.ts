import type { Config } from '../config.ts';
import type { ResponseBudget } from '../http/response-budget.ts';
import { cacheShares } from '../keys/cache/policies.ts';
import { ClientAuthentication } from '../keys/client-authentication.ts';
import { assertKeyCounts } from '../keys/confirmed-stores.ts';
import { KeyAuthenticator } from '../keys/key-authenticator.ts';
import { AuthenticationService } from './authentication-service.ts';
import type { Region } from './open-region.ts';
import { PermissionsResolver } from './permissions.ts';
import { ResponseCache } from './response-cache.ts';
import { RoleResolver } from './role-resolver.ts';
import { SharedResponses } from './shared-responses.ts';

/** `_authenticate`, and how to replace the shared secrets of its trusted callers while it serves. */
export interface Authentication {
  service: AuthenticationService;
  clientAuthentication: ClientAuthentication;
  replaceClientSecrets: (secrets: readonly string[]) => void;
}

/** Composes `_authenticate` from the keys and roles of a region. */
export function composeAuthentication(
  config: Config,
  region: Region,
  budget: ResponseBudget,
  now: () => number,
): Authentication {
  const { freshness, changes, fences, hasPassed, replica, replication } = region;
  const shares = cacheShares(config.CACHE_MAX_BYTES);
  const clientAuthentication = new ClientAuthentication(config.CLIENT_AUTHENTICATION_SECRETS);
  const limits = { maxBytes: config.MAX_RESPONSE_BYTES, budget };
  const responses = new ResponseCache(
    freshness,
    hasPassed,
    { maxEntries: config.CACHE_MAX_ENTRIES, maxBytes: shares.responses },
    fences,
  );
  const service = new AuthenticationService({
    authenticator: new KeyAuthenticator({
      acceptedPrefixes: config.ACCEPTED_CREDENTIAL_PREFIXES,
      keys: region.keys,
      secrets: region.secrets,
      clientAuthentication,
      hasPassed,
      mayLackKeys: () => replication.mayLackKeys,
    }),
    permissions: new PermissionsResolver(new RoleResolver(region.roles), freshness, limits),
    responses,
    sharedResponses:
      region.fenced &&
      region.fences &&
      new SharedResponses({
        cache: region.fenced,
        fences: region.fences,
        changes,
        freshness,
        clientAuthentication,
        now,
        hasPassed,
        ttlMs: config.MAX_STALENESS_MS,
      }),
    ...limits,
    requestCacheBytes: shares.requests,
    isKeyInMemory: (id) => region.keys.has(id),
    assertConfirmed: (id) => assertKeyCounts(region.trust, id),
    isReplicaAvailable: () => replica.isAvailable,
    isReplicationTooOld: () => replication.isTooOld,
  });
  return {
    service,
    clientAuthentication,
    replaceClientSecrets: (secrets) => {
      clientAuthentication.replace(secrets);
      // A cached response is sent without a look at the client authentication of its call.
      responses.clear();
    },
  };
}
