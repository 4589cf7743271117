import type { FastifyRequest } from 'fastify';
import { expect, it } from 'vitest';
import {
  assertOwner,
  clientProof,
  retryGuard,
  verifiedKeyId,
} from '../../../../src/control-plane/http/caller.ts';
import { withinOrganization } from '../../../../src/control-plane/organizations/assignment-scope.ts';
import { IamError } from '../../../../src/errors.ts';
import type { RoleAssignments } from '../../../../src/roles/role-assignments.ts';
import { keyRecord } from '../../../support/records.ts';

const callerWith = (roleAssignments: RoleAssignments) => ({
  key: keyRecord('k', 1, { organizationId: 'org', roleAssignments }),
  secret: 'secret',
});
const requestWith = (headers: object, hasClientCertificate = false) =>
  ({
    headers,
    hasClientCertificate,
    method: 'POST',
    url: '/x',
    body: undefined,
  }) as unknown as FastifyRequest;

it('an owner has the role organization-admin in the organization of the key', () => {
  const isOwner = (...organization: NonNullable<RoleAssignments['organization']>) => {
    try {
      assertOwner(callerWith({ organization }));
      return true;
    } catch (error) {
      expect(error).toMatchObject({ reason: 'PERMISSION_DENIED' });
      return false;
    }
  };
  expect(isOwner({ role_id: 'organization-admin' })).toBe(true);
  expect(isOwner({ role_id: 'organization-admin', organization_id: 'org' })).toBe(true);
  expect(isOwner({ role_id: 'billing-admin' }, { role_id: 'organization-admin' })).toBe(true);
  expect(isOwner({ role_id: 'organization-admin', organization_id: 'another' })).toBe(false);
  expect(isOwner({ role_id: 'billing-admin' })).toBe(false);
  expect(isOwner({ role_id: 'billing-admin', organization_id: 'org' })).toBe(false);
  expect(isOwner()).toBe(false);
  expect(() => assertOwner(callerWith({}))).toThrow('Only an organization owner');
});

it('assignments of a new key are bound to its organization, and refused outside of it', () => {
  const entry = { role_id: 'r', all: true as const };
  const bound = { ...entry, organization_id: 'org' };
  expect(withinOrganization({}, 'org')).toEqual({});
  expect(withinOrganization({ platform: [] }, 'org')).toEqual({});
  const assignments = {
    organization: [{ role_id: 'r' }],
    deployment: [entry],
    project: { security: [entry, bound] },
  } as RoleAssignments;
  expect(withinOrganization(assignments, 'org')).toEqual({
    organization: [{ role_id: 'r', organization_id: 'org' }],
    deployment: [bound],
    project: { security: [bound, bound] },
  });
  const foreign = { ...entry, organization_id: 'another' };
  for (const [field, refused] of [
    ['role_assignments.platform', { platform: [{ role_id: 'r' }] }],
    ['role_assignments.organization[1].organization_id', { organization: [entry, foreign] }],
    ['role_assignments.deployment[0].organization_id', { deployment: [foreign] }],
    ['role_assignments.project.security[0].organization_id', { project: { security: [foreign] } }],
  ] as [string, RoleAssignments][]) {
    expect(() => withinOrganization(refused, 'org')).toThrow(
      expect.objectContaining({
        reason: 'PERMISSION_DENIED',
        message: expect.stringContaining(`${field}: `),
      }),
    );
  }
});

it('an Idempotency-Key is one header of 1 to 255 printable characters', () => {
  const guard = (key?: unknown) => retryGuard(callerWith({}), requestWith({ 'idempotency-key': key }));
  expect(guard()).toBeUndefined();
  for (const key of ['a', 'x'.repeat(255), ' ~'])
    expect(guard(key)).toEqual({ key, secret: 'secret', request: ['POST', '/x', null] });
  for (const key of ['', 'x'.repeat(256), 'é', 'a\nb', ['a', 'b'], ['a']])
    expect(() => guard(key)).toThrow(expect.objectContaining({ reason: 'INVALID_INPUT' }));
});

it('the client authentication is the first header, and an accepted certificate', () => {
  const proof = (header: unknown, certificate?: boolean) =>
    clientProof(requestWith({ 'x-client-authentication': header }, certificate));
  expect(proof(undefined)).toEqual({ secret: undefined, certificate: false });
  expect(proof('s')).toEqual({ secret: 's', certificate: false });
  expect(proof(['s', 't'])).toEqual({ secret: 's', certificate: false });
  expect(proof(undefined, true)).toEqual({ secret: undefined, certificate: true });
});

it('a failed authentication names its key only if the secret was right', () => {
  for (const reason of ['API_KEY_REVOKED', 'API_KEY_EXPIRED', 'CLIENT_AUTHENTICATION'] as const) {
    expect(verifiedKeyId(new IamError(reason, { resource: 'k' }))).toBe('k');
    expect(verifiedKeyId(new IamError(reason))).toBeUndefined();
  }
  expect(verifiedKeyId(new IamError('API_KEY_MISSING', { resource: 'k' }))).toBeUndefined();
  expect(
    verifiedKeyId(Object.assign(new Error('x'), { reason: 'API_KEY_REVOKED', resource: 'k' })),
  ).toBeUndefined();
});
