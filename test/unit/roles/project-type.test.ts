import { expect, it } from 'vitest';
import { canonicalProjectType, PROJECT_TYPES } from '../../../src/roles/project-type.ts';

it('maps each project type to itself', () => {
  for (const type of PROJECT_TYPES) expect(canonicalProjectType(type)).toBe(type);
});

it.each(['elasticsearch_general_purpose', 'elasticsearch_vector', 'elasticsearch_x'])(
  'maps %s to elasticsearch',
  (name) => {
    expect(canonicalProjectType(name)).toBe('elasticsearch');
  },
);

it.each([
  '',
  'elasticsearch_',
  'elasticsearch-vector',
  'Elasticsearch',
  'observability_complete',
  'x_elasticsearch_y',
  'constructor',
  '__proto__',
])('maps "%s" to no project type', (name) => {
  expect(canonicalProjectType(name)).toBeUndefined();
});
