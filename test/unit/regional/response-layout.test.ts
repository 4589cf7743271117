import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { FencedCache, SharedEntry } from '../../../src/keys/cache/redis/fenced-cache.ts';
import { LAYOUT } from '../../../src/keys/cache/redis/redis-keys.ts';
import { Freshness } from '../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../src/keys/change-feed/recent-changes.ts';
import { ClientAuthentication } from '../../../src/keys/client-authentication.ts';
import type { KeyRecord } from '../../../src/keys/key-record.ts';
import { IdentityWriter, joinResponse, writePermissions } from '../../../src/regional/response-writer.ts';
import { SharedResponses } from '../../../src/regional/shared-responses.ts';

/** A record that sets every field of a response. */
const record: KeyRecord = {
  id: 'id',
  organizationId: 'org-é',
  secretHash: 'h',
  previousSecretHash: null,
  previousSecretExpiresAtMs: null,
  roleAssignments: { organization: [{ role_id: 'organization-admin', organization_id: 'org-é' }] },
  internal: true,
  createdBy: 'user',
  createdAtMs: 0,
  expiresAtMs: 1,
  revokedAtMs: null,
  version: 1,
};
const context = { projectId: 'p', projectType: 'elasticsearch', organizationId: 'org-é' } as const;
const request = { contexts: [context], includeRoleAssignments: true, includeRoleDescriptors: true };

it('a change of what pods share in Redis comes with another LAYOUT, so two releases never mix', async () => {
  const permissions = writePermissions(
    record,
    request,
    [
      {
        granted: true,
        context,
        derivedFrom: [],
        roles: [{ name: 'viewer', descriptorJson: '{}' }],
        unresolved: ['ghost'],
      },
    ],
    [{ granted: false, context, derivedFrom: [], reason: 'no_assignment', unresolved: [] }],
  );
  const { userText, keyText } = new IdentityWriter().write(record);
  const text = joinResponse(permissions, userText, record.id, keyText);
  const payload = await storedPayload(permissions, text);
  expect([LAYOUT, createHash('sha256').update(payload).digest('hex').slice(0, 16)]).toEqual([
    'iam5',
    '37a7691bea0fa19a',
  ]);
});

/** What a pod writes into Redis for a response: the line about its origin, and the body. */
async function storedPayload(text: string, body: string): Promise<string> {
  const entries: SharedEntry[] = [];
  const cache = { store: async (entry: SharedEntry) => void entries.push(entry) } as unknown as FencedCache;
  const now = () => 1_000;
  const shared = new SharedResponses({
    cache,
    changes: new RecentChanges(now, { ttlMs: 1, maxEntries: 1 }),
    freshness: new Freshness(now, { revalidateAfterMs: 1, maxStalenessMs: 1 }),
    clientAuthentication: new ClientAuthentication([]),
    now,
    ttlMs: 1,
  });
  const key = { record, tier: 'postgres', confirmedAtMs: 1_000, superseded: false, stale: false } as const;
  const roles = { scopeId: 'scope', roles: new Map(), confirmedAtMs: 1_000, stale: false };
  await shared.store('digest', key, { text, derivedFrom: [roles] }, body, 2_000);
  return entries[0]?.payload ?? '';
}
