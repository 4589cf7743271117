import { describe, expect, it } from 'vitest';
import {
  BrokenRoleAssignmentsError,
  parseStoredRoleAssignments,
} from '../../../src/roles/role-assignments.ts';

it('parses the published example unchanged', () => {
  const example = {
    platform: [{ role_id: 'p' }],
    organization: [{ role_id: 'organization-admin', organization_id: 'o', application_roles: ['admin'] }],
    deployment: [
      { role_id: 'd', organization_id: 'o', all: true, deployment_ids: [], application_roles: [] },
    ],
    project: {
      elasticsearch: [
        {
          role_id: 'elasticsearch-viewer',
          organization_id: 'o',
          all: false,
          project_ids: ['p1'],
          application_roles: ['viewer'],
        },
      ],
      observability: [],
      security: [],
    },
  };
  expect(parseStoredRoleAssignments(example)).toEqual(example);
});

it('accepts absent assignments and defaults "all" to false', () => {
  expect(parseStoredRoleAssignments({})).toEqual({});
  expect(parseStoredRoleAssignments({ project: { vectordb: [{ role_id: 'r' }] } })).toEqual({
    project: { vectordb: [{ role_id: 'r', all: false }] },
  });
});

it('accepts unknown fields, role ids and project types', () => {
  const parsed = parseStoredRoleAssignments({
    galaxy: [1],
    organization: [{ role_id: 'role-of-next-year', colour: 'blue' }],
    project: { nextbigthing: [{ role_id: 'x' }] },
  });
  expect(parsed).toEqual({
    organization: [{ role_id: 'role-of-next-year' }],
    project: { nextbigthing: [{ role_id: 'x', all: false }] },
  });
});

describe('refuses assignments of the wrong type:', () => {
  it.each([
    ['null', null],
    ['a string', '{}'],
    ['a list', []],
    ['organization as object', { organization: {} }],
    ['null for a list', { project: { security: null } }],
    ['an entry without role_id', { organization: [{}] }],
    ['application_roles as string', { organization: [{ role_id: 'r', application_roles: 'admin' }] }],
    ['a number among application_roles', { organization: [{ role_id: 'r', application_roles: [1] }] }],
    ['"all" as string', { project: { security: [{ role_id: 'r', all: 'true' }] } }],
    ['"project_ids" as string', { project: { security: [{ role_id: 'r', project_ids: 'p' }] } }],
    ['a wrong type under an unknown project type', { project: { unknown: [{ role_id: 1 }] } }],
  ])('%s', (_name, value) => {
    expect(() => parseStoredRoleAssignments(value)).toThrow(BrokenRoleAssignmentsError);
  });
});

it('names the path and never the value in the error', () => {
  const value = { project: { security: [{ role_id: 'r', all: 'very private' }] } };
  expect(() => parseStoredRoleAssignments(value)).toThrow(
    /project\.security\[0\]\.all must be true or false$/,
  );
});
