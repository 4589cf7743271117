import { randomBytes } from 'node:crypto';
import type { Config } from '../src/config.ts';
import { Database } from '../src/control-plane/database.ts';
import { bootstrap } from '../src/control-plane/keys/bootstrap.ts';
import { KeyLifecycle } from '../src/control-plane/keys/key-lifecycle.ts';
import { selectKey } from '../src/control-plane/keys/key-rows.ts';
import { type LifecycleDeps, lifecycleDeps } from '../src/control-plane/keys/lifecycle-deps.ts';
import { listOrganizations } from '../src/control-plane/organizations/organizations.ts';
import { decodeCredential } from '../src/credential/format.ts';
import { verifySecret } from '../src/credential/hash.ts';
import { createPool } from '../src/database/pool.ts';
import type { DevSecrets, SeededKey } from './secrets.ts';

export const DEMO_ORGANIZATION_ID = 'demo-organization';
export const DEMO_PROJECT_ID = 'demo-project';
export const DEMO_PROJECT_TYPE = 'elasticsearch';

const principal = {
  actor: { type: 'system', id: 'demo-user' },
  organizationId: DEMO_ORGANIZATION_ID,
  userId: 'demo-user',
} as const;

const demoProjectViewer = {
  project: {
    [DEMO_PROJECT_TYPE]: [
      {
        role_id: 'elasticsearch-viewer',
        all: false,
        project_ids: [DEMO_PROJECT_ID],
        application_roles: ['viewer'],
      },
    ],
  },
};

const keys: Record<SeededKey, { description: string; internal: boolean; roleAssignments: object }> = {
  owner: {
    description: 'Demo: organization owner',
    internal: false,
    roleAssignments: { organization: [{ role_id: 'organization-admin' }] },
  },
  demo: { description: 'Demo: viewer', internal: false, roleAssignments: demoProjectViewer },
  internal: { description: 'Demo: internal viewer', internal: true, roleAssignments: demoProjectViewer },
};

/**
 * Creates the demo organization and its keys with the product's own code. It keeps valid keys of earlier runs and
 * replaces a key that was revoked or rotated.
 * @param save called after each new key, so that a crash loses no credential
 */
export async function seed(
  primaryUrl: string,
  config: Config,
  secrets: DevSecrets,
  save: () => Promise<void>,
): Promise<void> {
  const pool = createPool(primaryUrl, {
    applicationName: 'iam-dev',
    size: 1,
    connectTimeoutMs: 5_000,
    queryTimeoutMs: 5_000,
    onIdleError: () => {}, // the next statement fails with the reason
  });
  const deps = lifecycleDeps(config, new Database(pool), {
    now: Date.now,
    nowForExpiry: Date.now,
    randomBytes,
  });
  try {
    const organizations = await listOrganizations(deps.database);
    if (!organizations.some(({ id }) => id === DEMO_ORGANIZATION_ID)) {
      const created = await bootstrap(deps, principal.actor, {
        organizationId: DEMO_ORGANIZATION_ID,
        name: 'Demo organization',
        ttlMs: null,
      });
      secrets.credentials.owner = created.key.key;
      await save();
    }
    const lifecycle = new KeyLifecycle(deps);
    for (const [name, { description, internal, roleAssignments }] of Object.entries(keys)) {
      if (await isValid(deps, secrets.credentials[name as SeededKey])) continue;
      const input = { description, expiration: 'never', role_assignments: roleAssignments };
      const created = await lifecycle.create(principal, input, { internal });
      secrets.credentials[name as SeededKey] = created.key.key;
      await save();
    }
  } finally {
    await pool.end();
  }
}

async function isValid(deps: LifecycleDeps, credential: string | undefined): Promise<boolean> {
  const decoded = decodeCredential(credential ?? '', [deps.credentialPrefix]);
  if (!decoded.ok) return false;
  const { id, secret } = decoded.credential;
  const record = await selectKey(deps.database, DEMO_ORGANIZATION_ID, id);
  if (record === undefined || record.revokedAtMs !== null) return false;
  return verifySecret(record.secretHash, secret);
}
