import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { Interner } from '../../../src/keys/cache/interner.ts';
import type { FencedCache, SharedEntry } from '../../../src/keys/cache/redis/fenced-cache.ts';
import { LAYOUT } from '../../../src/keys/cache/redis/redis-keys.ts';
import { VerifiedKeys } from '../../../src/keys/cache/redis/verified-keys.ts';
import { Freshness } from '../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../src/keys/change-feed/recent-changes.ts';
import { ClientAuthentication } from '../../../src/keys/client-authentication.ts';
import { IdentityWriter, joinResponse, layOutPermissions } from '../../../src/regional/response-writer.ts';
import { SharedResponses } from '../../../src/regional/shared-responses.ts';
import { noVersions } from '../../support/no-versions.ts';
import { keyRecord } from '../../support/records.ts';

/** A record that sets every field of a response. */
const record = keyRecord('id', 1, {
  organizationId: 'org-é',
  secretHash: 'h',
  roleAssignments: { organization: [{ role_id: 'organization-admin', organization_id: 'org-é' }] },
  internal: true,
  description: 'é',
  expiresAtMs: 1,
});
const context = { projectId: 'p', projectType: 'elasticsearch', organizationId: 'org-é' } as const;
const request = {
  contexts: [context],
  includeRoleAssignments: true,
  includeRoleDescriptors: true,
};

it('a change of what pods share in Redis comes with another LAYOUT, so two releases never mix', async () => {
  const granted = {
    granted: true,
    context,
    derivedFrom: [],
    roles: [{ name: 'viewer', descriptorJson: '{}' }],
    unresolved: ['ghost'],
  } as const;
  const denied = {
    granted: false,
    context,
    derivedFrom: [],
    reason: 'no_assignment',
    unresolved: [],
  } as const;
  const permissions = layOutPermissions(record, request, [granted, denied], 10_000).write();
  const body = joinResponse(permissions, record.id, new IdentityWriter().write(record));
  const payloads = [await responsePayload(permissions, body), await credentialPayload()];
  expect([LAYOUT, ...payloads.map(fingerprint)]).toEqual(['iam8', '73a423b33eda2660', '0c67f6bad0ae22a1']);
});

it.each([
  ['docs/operations.md', `~${LAYOUT}:*`],
  ['CHANGELOG.md', `layout \`${LAYOUT}\``],
])('%s names the LAYOUT, because operators grant the permission for it', async (page, text) => {
  expect(await readFile(new URL(`../../../${page}`, import.meta.url), 'utf8')).toContain(text);
});

const fingerprint = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);
const now = () => 1_000;

/** Collects what a pod stores in Redis. */
function recordingCache(): { cache: FencedCache; payload: () => string } {
  const entries: SharedEntry[] = [];
  const cache = { enqueue: (entry: SharedEntry) => void entries.push(entry) } as unknown as FencedCache;
  return { cache, payload: () => entries[0]?.payload ?? '' };
}

/** A response: the line about its origin, and the body. */
async function responsePayload(text: string, body: string): Promise<string> {
  const { cache, payload } = recordingCache();
  const shared = new SharedResponses({
    cache,
    fences: noVersions,
    changes: new RecentChanges(now, { ttlMs: 1, maxEntries: 1 }),
    freshness: new Freshness(now, { revalidateAfterMs: 1, maxStalenessMs: 1 }),
    clientAuthentication: new ClientAuthentication([]),
    now,
    hasPassed: (atMs) => atMs <= now(),
    ttlMs: 1,
  });
  const key = { record, tier: 'postgres', confirmedAtMs: 1_000, superseded: false, stale: false } as const;
  const roles = { scopeId: 'scope', roles: new Map(), confirmedAtMs: 1_000, stale: false };
  shared.store('digest', key, { text, derivedFrom: [roles] }, body, 2_000);
  return payload();
}

/** A verified credential: its record and the hash that matched. */
async function credentialPayload(): Promise<string> {
  const { cache, payload } = recordingCache();
  const keys = new VerifiedKeys(cache, now, { history: 'h' }, 1, new Interner(1));
  keys.store({ record, confirmedAtMs: 1_000, verifiedHash: 'h' }, 'digest');
  return payload();
}
