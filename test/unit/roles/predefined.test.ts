import { describe, expect, it } from 'vitest';
import { isPredefinedRole, predefinedRoles, predefinedSet } from '../../../src/roles/predefined.ts';
import { checkRoleDescriptor } from '../../../src/roles/role-descriptor.ts';

const namesOf = (type: string) =>
  predefinedRoles.filter((role) => role.projectType === type).map((role) => role.name);

it('contains the 27 published roles, with a version and a source', () => {
  expect(predefinedRoles).toHaveLength(27);
  expect(predefinedSet).toMatchObject({
    version: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    source: expect.stringContaining('https://'),
    warnings: [],
  });
  expect(namesOf('elasticsearch')).toEqual(['viewer', 'developer', 'admin']);
  expect(namesOf('observability')).toEqual(['viewer', 'editor', 'admin']);
  expect(namesOf('security')).toHaveLength(15);
  expect(namesOf('vectordb')).toEqual(['viewer', 'developer', 'admin']);
  expect(namesOf('workplaceai')).toEqual(['viewer', 'developer', 'admin']);
});

it('gives the elasticsearch viewer exactly its published privileges', () => {
  const viewer = predefinedRoles.find(
    (role) => role.projectType === 'elasticsearch' && role.name === 'viewer',
  );
  expect(viewer?.descriptor).toEqual({
    cluster: ['manage_own_api_key', 'read_pipeline', 'read_project_routing'],
    indices: [{ names: ['*'], privileges: ['read', 'view_index_metadata'], allow_restricted_indices: false }],
    applications: [{ application: 'kibana-.kibana', privileges: ['read'], resources: ['*'] }],
    run_as: [],
  });
});

describe.each(predefinedRoles)('$projectType/$name', ({ projectType, name, descriptor }) => {
  it('passes the descriptor check unchanged and without a warning', () => {
    expect(checkRoleDescriptor(descriptor)).toEqual({ ok: true, descriptor, warnings: [] });
  });

  it('is predefined on its own project type', () => {
    expect(isPredefinedRole(projectType, name)).toBe(true);
  });
});

it('treats a role as predefined only on the types that have it', () => {
  expect(isPredefinedRole('elasticsearch', 'soc_manager')).toBe(false);
  expect(isPredefinedRole('elasticsearch', 'constructor')).toBe(false);
});
