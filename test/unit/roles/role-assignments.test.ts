import { describe, expect, test } from 'vitest';
import {
  BrokenRoleAssignmentsError,
  parseStoredRoleAssignments,
} from '../../../src/roles/role-assignments.ts';

test('the published example is read as it stands', () => {
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

test('no assignments at all are fine, and "all" is false unless it is said', () => {
  expect(parseStoredRoleAssignments({})).toEqual({});
  expect(parseStoredRoleAssignments({ project: { vectordb: [{ role_id: 'r' }] } })).toEqual({
    project: { vectordb: [{ role_id: 'r', all: false }] },
  });
});

test('fields, role ids and project types that this release does not know do no harm', () => {
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

describe('assignments of the wrong type are broken:', () => {
  test.each([
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
    ['a wrong type under a project type nobody knows', { project: { unknown: [{ role_id: 1 }] } }],
  ])('%s', (_name, value) => {
    expect(() => parseStoredRoleAssignments(value)).toThrow(BrokenRoleAssignmentsError);
  });
});

test('the error names the place and never the value', () => {
  const value = { project: { security: [{ role_id: 'r', all: 'very private' }] } };
  expect(() => parseStoredRoleAssignments(value)).toThrow(
    /project\.security\[0\]\.all must be true or false$/,
  );
});
