import { describe, expect, it } from 'vitest';
import { applicationRolesFor } from '../../../src/roles/application-roles.ts';
import { PROJECT_TYPES } from '../../../src/roles/project-type.ts';
import { parseStoredRoleAssignments } from '../../../src/roles/role-assignments.ts';

const ORGANIZATION = 'org-1';
const context = { projectId: 'p1', projectType: 'elasticsearch', organizationId: ORGANIZATION } as const;

const rolesOf = (assignments: unknown, project: Parameters<typeof applicationRolesFor>[2] = context) =>
  applicationRolesFor(parseStoredRoleAssignments(assignments), ORGANIZATION, project);

const viewer = { role_id: 'elasticsearch-viewer', project_ids: ['p1'], application_roles: ['viewer'] };
const onProjects = (...entries: object[]) => ({ project: { elasticsearch: entries } });
const onOrganization = (...entries: object[]) => ({ organization: entries });

describe('entries that grant application roles', () => {
  it.each<[string, unknown, string[]]>([
    ['an entry that lists the project', onProjects(viewer), ['viewer']],
    ['an entry that lists it among others', onProjects({ ...viewer, project_ids: ['p0', 'p1'] }), ['viewer']],
    [
      'an entry for all projects of the type',
      onProjects({ role_id: 'x', all: true, application_roles: ['a'] }),
      ['a'],
    ],
    [
      'an entry that names the organization of the key',
      onProjects({ ...viewer, organization_id: 'org-1' }),
      ['viewer'],
    ],
    ['an organization entry', onOrganization({ role_id: 'x', application_roles: ['admin'] }), ['admin']],
    ['an entry with an unknown role_id', onProjects({ ...viewer, role_id: 'no-such-role' }), ['viewer']],
    [
      'an application-only entry',
      onProjects({ ...viewer, role_id: 'elasticsearch-application-only' }),
      ['viewer'],
    ],
    [
      'an entry under a flavour of the type',
      { project: { elasticsearch_general_purpose: [viewer] } },
      ['viewer'],
    ],
  ])('%s', (_name, assignments, names) => {
    expect(rolesOf(assignments)).toEqual({ ok: true, names });
  });
});

it('merges matching entries without duplicates, in order of first appearance', () => {
  const assignments = {
    organization: [{ role_id: 'o', application_roles: ['b', 'a'] }],
    project: {
      elasticsearch: [
        { role_id: 'x', project_ids: ['p1'], application_roles: ['c', 'b'] },
        { role_id: 'x', project_ids: ['p2'], application_roles: ['not here'] },
        { role_id: 'x', all: true, application_roles: ['d', 'a', 'c'] },
        { role_id: 'x', all: true },
      ],
    },
  };
  expect(rolesOf(assignments)).toEqual({ ok: true, names: ['b', 'a', 'c', 'd'] });
});

it('applies an organization entry to every project of every type', () => {
  for (const projectType of PROJECT_TYPES) {
    const project = { projectId: `new-${projectType}`, projectType, organizationId: ORGANIZATION };
    const assignments = onOrganization({ role_id: 'x', application_roles: ['viewer'] });
    expect(rolesOf(assignments, project)).toEqual({ ok: true, names: ['viewer'] });
  }
});

it('limits "all" to one project type', () => {
  const assignments = onProjects({ role_id: 'x', all: true, application_roles: ['viewer'] });
  expect(rolesOf(assignments, { ...context, projectType: 'vectordb' })).toEqual({
    ok: false,
    reason: 'no_assignment',
  });
});

describe('entries that grant no application roles', () => {
  it.each<[string, unknown, string]>([
    ['no assignments', {}, 'no_assignment'],
    ['an entry for another project', onProjects({ ...viewer, project_ids: ['p2'] }), 'no_assignment'],
    [
      'an entry with neither all nor project_ids',
      onProjects({ role_id: 'x', application_roles: ['a'] }),
      'no_assignment',
    ],
    [
      'an entry that names another organization',
      onProjects({ ...viewer, organization_id: 'org-2' }),
      'no_assignment',
    ],
    [
      'an entry for all projects of another organization',
      onProjects({ role_id: 'x', all: true, organization_id: 'org-2', application_roles: ['a'] }),
      'no_assignment',
    ],
    [
      'an organization entry of another organization',
      onOrganization({ role_id: 'x', organization_id: 'org-2', application_roles: ['a'] }),
      'no_assignment',
    ],
    ['platform entries', { platform: [{ role_id: 'admin' }] }, 'no_assignment'],
    [
      'deployment entries',
      { deployment: [{ role_id: 'x', all: true, deployment_ids: ['p1'], application_roles: ['a'] }] },
      'no_assignment',
    ],
    ['an entry under an unknown type', { project: { deployment: [viewer] } }, 'no_assignment'],
    [
      'a matching entry without application_roles',
      onProjects({ role_id: 'elasticsearch-admin', all: true }),
      'no_application_roles',
    ],
    [
      'a matching entry with empty application_roles',
      onProjects({ ...viewer, application_roles: [] }),
      'no_application_roles',
    ],
    [
      'an organization owner without application_roles',
      onOrganization({ role_id: 'organization-admin' }),
      'no_application_roles',
    ],
    [
      'a membership and an empty list of projects',
      { ...onOrganization({ role_id: 'ess-default-organization' }), ...onProjects() },
      'no_application_roles',
    ],
    [
      'a membership and an entry for another project',
      {
        ...onOrganization({ role_id: 'ess-default-organization' }),
        ...onProjects({ ...viewer, project_ids: ['p2'] }),
      },
      'no_assignment',
    ],
  ])('%s', (_name, assignments, reason) => {
    expect(rolesOf(assignments)).toEqual({ ok: false, reason });
  });
});

it.each<[string, unknown]>([
  ['all projects', onProjects({ role_id: 'x', all: true, application_roles: ['admin'] })],
  ['the project by its id', onProjects(viewer)],
  ['the other organization by its id', onProjects({ ...viewer, organization_id: 'org-2' })],
  [
    'an organization',
    onOrganization({ role_id: 'x', organization_id: 'org-2', application_roles: ['admin'] }),
  ],
])('denies a project of another organization to an entry that names %s', (_name, assignments) => {
  expect(rolesOf(assignments, { ...context, organizationId: 'org-2' })).toEqual({
    ok: false,
    reason: 'other_organization',
  });
});
