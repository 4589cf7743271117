/** The code whose guards decide who may do what. */
export const MUTATED = [
  'src/credential',
  'src/keys',
  'src/roles',
  'src/regional',
  'src/control-plane/http/caller.ts',
  'src/control-plane/http/caller-gate.ts',
  'src/http/client-network.ts',
  'src/http/client-addresses.ts',
  'src/control-plane/keys/durations.ts',
  'src/control-plane/keys/sealed-response.ts',
  'src/control-plane/organizations/assignment-scope.ts',
];

/** Files that compose others, or speak to Postgres, Redis or sockets: only tests on servers show what they do. */
export const ONLY_ON_SERVERS = [
  'src/keys/change-feed/choose-source.ts',
  'src/keys/change-feed/feed-connection.ts',
  'src/keys/change-feed/listen-source.ts',
  'src/keys/change-feed/poll-source.ts',
  'src/keys/change-feed/subscription-state.ts',
  'src/keys/cache/redis/open-fenced-cache.ts',
  'src/keys/cache/redis/redis-client.ts',
  'src/keys/cache/redis/redis-link.ts',
  'src/keys/cache/redis/rising-numbers.ts',
  'src/keys/postgres-key-store.ts',
  'src/keys/postgres-role-store.ts',
  'src/keys/region-metrics.ts',
  'src/keys/regional-key-services.ts',
  'src/keys/replica.ts',
  'src/regional/app.ts',
  'src/regional/authentication-metrics.ts',
  'src/regional/authentication-route.ts',
  'src/regional/authentication-schema.ts',
  'src/regional/forwarding.ts',
  'src/regional/regional-service.ts',
  'src/regional/repair-requests.ts',
];
