import { expect, test } from 'vitest';
import { canonicalProjectType, PROJECT_TYPES } from '../../../src/roles/project-type.ts';

test('each project type means itself', () => {
  for (const type of PROJECT_TYPES) expect(canonicalProjectType(type)).toBe(type);
});

test.each(['elasticsearch_general_purpose', 'elasticsearch_vector', 'elasticsearch_x'])(
  '%s means elasticsearch',
  (name) => {
    expect(canonicalProjectType(name)).toBe('elasticsearch');
  },
);

test.each([
  '',
  'elasticsearch_',
  'elasticsearch-vector',
  'Elasticsearch',
  'observability_complete',
  'x_elasticsearch_y',
  'constructor',
  '__proto__',
])('"%s" means no project type', (name) => {
  expect(canonicalProjectType(name)).toBeUndefined();
});
