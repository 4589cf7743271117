import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import type { IssuedKey } from '../../../support/keys.ts';

let controlPlane: TestControlPlane;
let owner: IssuedKey;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  owner = await newOrganization(controlPlane.primary.pool, 1_000_000);
});
afterAll(() => controlPlane?.close());

/** Values of every JSON type under the names that the calls know, so that checks are reached at depth. */
const known = fc.constantFrom(
  'description',
  'expiration',
  'role_assignments',
  'project',
  'organization',
  'elasticsearch',
  'role_id',
  'all',
  'project_ids',
  'application_roles',
  'limit',
  'keys',
  'indices',
  'names',
  'privileges',
  'field_security',
  'grant',
  'metadata',
  '__proto__',
  'constructor',
  'grace_period',
  'internal',
  'query',
);
const { body } = fc.letrec((tie) => ({
  body: fc.oneof(
    { maxDepth: 5, depthSize: 'medium' },
    fc.constantFrom(null, true, 0, -1, 1e300, '', 'viewer', '30d', '\0', '\ud800', 'x'.repeat(2_000)),
    fc.string({ unit: 'binary' }),
    fc.array(tie('body'), { maxLength: 3 }),
    fc.dictionary(known, tie('body'), { maxKeys: 4 }),
  ),
}));

const calls = [
  ['POST', '/api/v1/users/auth/keys'],
  ['DELETE', '/api/v1/users/auth/keys'],
  ['POST', '/api/v1/users/auth/keys/ID/_rotate'],
  ['PUT', '/api/v1/projects/security/soc/roles/any'],
  ['POST', '/uiam/api/v1/api-keys/_grant'],
  ['POST', '/uiam/api/v1/api-keys/_convert'],
] as const;

it('returns a documented response and never 500 for any JSON body', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...calls), body, async ([method, path], sent) => {
      const response = await callApi(
        controlPlane,
        method,
        path.replace('ID', 'unknown'),
        owner.authorization,
        {
          body: sent,
        },
      );
      expect(response.status).toBeLessThan(500);
      if (response.status >= 400)
        expect(response.body.errors?.[0]?.code ?? response.body.error?.code).toMatch(/\w/);
    }),
    { numRuns: 300 },
  );
});

it('returns a documented response and never 500 for any path and query', async () => {
  const text = fc
    .string({ unit: 'binary', maxLength: 40 })
    .map((part) => encodeURIComponent(part.toWellFormed()));
  const paths = fc.oneof(
    text.map((id) => `/api/v1/users/auth/keys/${id}`),
    text.map((value) => `/api/v1/users/auth/keys?after=${value}&limit=${value}`),
    text.map((value) => `/api/v1/audit?target_id=${value}&actor_id=${value}&action=${value}`),
    fc.tuple(text, text, text).map(([type, id, name]) => `/api/v1/projects/${type}/${id}/roles/${name}`),
    fc.tuple(text, text).map(([id, name]) => `/api/v1/projects/security/${id}/roles/${name}`),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('GET', 'DELETE'), paths, async (method, path) => {
      const response = await callApi(controlPlane, method, path, owner.authorization);
      expect(response.status, path).toBeLessThan(500);
    }),
    { numRuns: 300 },
  );
});
