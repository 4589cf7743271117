import { expect, it } from 'vitest';
import { inCliTerms } from '../../../src/cli/cli-terms.ts';

it.each([
  [
    'role_assignments.project.elastisearch: unknown project type "elastisearch": use one of elasticsearch, security',
    'The permissions name the unknown project type "elastisearch". The types are elasticsearch, security.',
  ],
  [
    'role_assignments.project.security[0].project_ids: must contain at least one project unless all is true',
    'In the permissions, project.security[0].project_ids must contain at least one project unless all is true.',
  ],
  [
    'role_assignments.project.security[0].roles: unknown field "roles"',
    'The permissions have the unknown field project.security[0].roles.',
  ],
  [
    'role_assignments.project["a: b"][0].role_id: is required',
    'In the permissions, project["a: b"][0].role_id is required.',
  ],
  ['role_assignments: must be an object', 'The value of --role-assignments must be an object.'],
  [
    "role_assignments: absent, so the key has the same permissions as the caller's key, including its owner permissions",
    'The key has the same permissions as your key, including its owner permissions.',
  ],
  [
    'role_assignments.project.security[0].application_roles[0]: "veiwer" is not a predefined role; it grants nothing',
    'In the permissions, project.security[0].application_roles[0]: "veiwer" is not a predefined role; it grants nothing.',
  ],
  [
    'after: must be the "next" value of the previous page',
    '--after must be the "next" value of the previous page.',
  ],
  ['description: must not be blank', '--description must not be blank.'],
  ['Add ?force=true to override.', 'Add --force to override.'],
  ['indices[0].names: is required', 'indices[0].names: is required'],
])('rewrites %s', (api, cli) => {
  expect(inCliTerms(api)).toBe(cli);
});
