import { describe, expect, it } from 'vitest';
import { checkNewRoleAssignments } from '../../../src/roles/new-role-assignments.ts';
import { parseStoredRoleAssignments } from '../../../src/roles/role-assignments.ts';

const viewer = { role_id: 'elasticsearch-viewer', project_ids: ['p1'], application_roles: ['viewer'] };
const onProjects = (...entries: unknown[]) => ({ project: { elasticsearch: entries } });

it('returns valid assignments with defaults, without warnings, in a form that parses from storage', () => {
  const input = {
    organization: [{ role_id: 'organization-admin', organization_id: 'o', application_roles: ['admin'] }],
    project: {
      elasticsearch: [viewer],
      security: [{ role_id: 'security-application-only', all: true, application_roles: ['soc_manager'] }],
      vectordb: [],
    },
  };
  const assignments = {
    ...input,
    project: { ...input.project, elasticsearch: [{ ...viewer, all: false }] },
  };
  expect(checkNewRoleAssignments(input)).toEqual({ ok: true, assignments, warnings: [] });
  expect(parseStoredRoleAssignments(assignments)).toEqual(assignments);
});

it('accepts absent projects, also as null', () => {
  const organization = [{ role_id: 'organization-admin' }];
  for (const input of [{ organization }, { organization, project: null }])
    expect(checkNewRoleAssignments(input)).toEqual({ ok: true, assignments: { organization }, warnings: [] });
});

it('stores a flavour of elasticsearch as elasticsearch', () => {
  const other = { ...viewer, project_ids: ['p2'] };
  const checked = checkNewRoleAssignments({
    project: { elasticsearch: [viewer], elasticsearch_general_purpose: [other] },
  });
  expect(checked).toMatchObject({
    ok: true,
    assignments: { project: { elasticsearch: [viewer, other] } },
    warnings: [],
  });
});

describe('refuses, with the path,', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['null', null, '', /must be an object/],
    ['nothing', undefined, '', /is required/],
    ['an unknown field', { projects: {} }, 'projects', /unknown field "projects"/],
    ['an unknown field with null', { projects: null }, 'projects', /unknown field "projects"/],
    ['project as text', { project: 'all' }, 'project', /must be an object/],
    [
      'an unknown field of an entry',
      onProjects({ ...viewer, limit: {} }),
      'project.elasticsearch[0].limit',
      /unknown field/,
    ],
    [
      'an unknown project type',
      { project: { kibana: [viewer] } },
      'project.kibana',
      /unknown project type "kibana".*vectordb/,
    ],
    [
      'a project type named __proto__',
      { project: JSON.parse('{"__proto__":[]}') },
      'project.__proto__',
      /unknown project type/,
    ],
    [
      'project_ids with all',
      onProjects({ ...viewer, all: true }),
      'project.elasticsearch[0].project_ids',
      /absent if all/,
    ],
    [
      'empty project_ids with all',
      onProjects({ ...viewer, all: true, project_ids: [] }),
      'project.elasticsearch[0].project_ids',
      /must be absent/,
    ],
    [
      'neither project_ids nor all',
      onProjects({ role_id: 'elasticsearch-viewer' }),
      'project.elasticsearch[0].project_ids',
      /at least one project/,
    ],
    [
      'empty project_ids',
      onProjects({ ...viewer, project_ids: [] }),
      'project.elasticsearch[0].project_ids',
      /at least one/,
    ],
    [
      'an empty project id',
      onProjects({ ...viewer, project_ids: [''] }),
      'project.elasticsearch[0].project_ids[0]',
      /not be empty/,
    ],
    ['an entry without role_id', { organization: [{}] }, 'organization[0].role_id', /is required/],
    ['an empty role_id', { platform: [{ role_id: '' }] }, 'platform[0].role_id', /not be empty/],
    [
      'application_roles as string',
      onProjects({ ...viewer, application_roles: 'viewer' }),
      'project.elasticsearch[0].application_roles',
      /an array/,
    ],
    [
      'an empty role name',
      onProjects({ ...viewer, application_roles: [''] }),
      'project.elasticsearch[0].application_roles[0]',
      /not be empty/,
    ],
    ['all as string', onProjects({ ...viewer, all: 'yes' }), 'project.elasticsearch[0].all', /true or false/],
    ['project as list', { project: [] }, 'project', /must be an object/],
    [
      'more than 1000 entries',
      { organization: Array(1001).fill({ role_id: 'billing-admin' }) },
      'organization',
      /at most 1000/,
    ],
    [
      'a very long role name',
      onProjects({ ...viewer, application_roles: ['x'.repeat(513)] }),
      'project.elasticsearch[0].application_roles[0]',
      /at most 512/,
    ],
  ])('%s', (_name, input, path, message) => {
    expect(checkNewRoleAssignments(input)).toEqual({
      ok: false,
      violations: [{ path, message: expect.stringMatching(message) }],
    });
  });
});

it('accepts names without effect, each with a warning', () => {
  const checked = checkNewRoleAssignments({
    platform: [{ role_id: 'galaxy-admin' }],
    organization: [{ role_id: 'organization-admin', application_roles: ['soc_manager', 'librarian'] }],
    project: {
      elasticsearch: [
        { ...viewer, role_id: 'elasticsearch-wizard', application_roles: ['viewer', 'soc_manager'] },
      ],
    },
  });
  expect(checked.ok && checked.warnings).toEqual([
    'platform[0].role_id: "galaxy-admin" is not a known role id; it has no effect',
    'organization[0].application_roles[1]: "librarian" is not a predefined role; it grants nothing until a custom role with this name exists',
    'project.elasticsearch[0].role_id: "elasticsearch-wizard" is not a known role id; it has no effect',
    'project.elasticsearch[0].application_roles[1]: "soc_manager" is not a predefined role; it grants nothing until a custom role with this name exists',
  ]);
});
