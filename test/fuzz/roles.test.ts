import fc from 'fast-check';
import { expect } from 'vitest';
import { asciiJson } from '../../src/lib/ascii-json.ts';
import { checkNewRoleAssignments } from '../../src/roles/new-role-assignments.ts';
import { PROJECT_TYPES } from '../../src/roles/project-type.ts';
import { roleAssignmentsSchema } from '../../src/roles/role-assignments.ts';
import { checkRoleDescriptor, readRoleDescriptor } from '../../src/roles/role-descriptor.ts';
import type { Violation } from '../../src/roles/violation.ts';
import { fuzz } from './support/fuzz.ts';
import { hostileText, mutatedJson } from './support/inputs.ts';

/** The longest name, between two slashes. */
const MAX_EXPRESSION_CHARS = 1_022;
const cut = (text: string) => text.slice(0, MAX_EXPRESSION_CHARS);
/** Fills a whole name. */
const repeated = (text: string) =>
  cut(`${text}|`.repeat(MAX_EXPRESSION_CHARS / (text.length + 1)).slice(0, -1));

/** Regular expressions, some of them expensive in a short text. */
const expression = fc.letrec<{ term: string }>((tie) => ({
  term: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom(
      'a',
      '.',
      '@',
      '#',
      '[a-z]',
      '[^a]',
      '\\d',
      '()',
      '"x y"',
      '<1-300>',
      '<007-9>',
      '\\',
      '[',
      '💥',
    ),
    fc.array(tie('term'), { minLength: 2, maxLength: 3 }).map((terms) => cut(terms.join(''))),
    fc.array(tie('term'), { minLength: 2, maxLength: 3 }).map((terms) => cut(`(${terms.join('|')})`)),
    fc.array(tie('term'), { minLength: 2, maxLength: 2 }).map((terms) => cut(terms.join('&'))),
    tie('term').map((term) => cut(`~(${term})`)),
    fc
      .tuple(
        tie('term'),
        fc.constantFrom('*', '+', '?', '{2}', '{1400}', '{0,1400}', '{3,}', '{2,1}', '{999999999}'),
      )
      .map(([term, times]) => cut(`(${term})${times}`)),
    tie('term').map(repeated),
  ),
})).term;
const pattern = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('logs-*', 'a', '*', 'metrics-?', 'a\\*') },
  { weight: 2, arbitrary: expression.map((inner) => `/${inner}/`) },
  { weight: 1, arbitrary: hostileText },
);
/** A role as large as it may be, full of one short expression. */
const costly = fc
  .tuple(
    fc.constantFrom('a', '.', '@', '[a-z]', '()'),
    fc.constantFrom('{1400}', '{0,700}', '{90}', '*'),
    fc.constantFrom('', 'b'),
  )
  .map(([term, times, end]) => Array<string>(60).fill(`/${repeated(`(${term}${times}${end})`)}/`));
const patterns = fc.oneof(
  { weight: 6, arbitrary: fc.array(pattern, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: costly },
  {
    weight: 1,
    arbitrary: fc
      .tuple(pattern, fc.integer({ min: 2, max: 60 }))
      .map(([one, times]) => Array<string>(times).fill(one)),
  },
);
const indices = fc.record(
  {
    names: patterns,
    privileges: fc.constantFrom(['read'], ['all', 'write'], ['indices:data/read/*'], ['unknown']),
    field_security: fc.record({ grant: patterns, except: patterns }, { requiredKeys: ['grant'] }),
    query: fc.constantFrom(
      '{"term":{"a":1}}',
      { term: { a: 1 } },
      '',
      null,
      '{"a":{},"b":{}}',
      '{"a":{"b":1,"b":2}}',
    ),
    allow_restricted_indices: fc.boolean(),
  },
  { requiredKeys: ['names', 'privileges'] },
);
const descriptor = fc.record(
  {
    cluster: fc.constantFrom([], ['all'], ['monitor', 'none'], ['cluster:x']),
    indices: fc.array(indices, { maxLength: 2 }),
    applications: fc.array(
      fc.record({
        application: fc.constantFrom('kibana-.kibana', 'app*', 'x'),
        privileges: fc.constant(['read']),
        resources: patterns,
      }),
      { maxLength: 1 },
    ),
    run_as: fc.constant([]),
    metadata: fc.dictionary(hostileText, fc.jsonValue(), { maxKeys: 2 }),
    remote_indices: fc.constant([{ clusters: ['eu*'], names: ['a'], privileges: ['read'] }]),
    remote_cluster: fc.constant([{ clusters: ['eu*'], privileges: ['monitor_enrich'] }]),
    description: hostileText,
    restriction: fc.constant({ workflows: ['search_application_query'] }),
  },
  { requiredKeys: [] },
);
const NAMES = [
  ...[
    'cluster',
    'indices',
    'index',
    'applications',
    'application',
    'run_as',
    'metadata',
    'remote_indices',
    'remote_cluster',
  ],
  ...[
    'names',
    'privileges',
    'field_security',
    'grant',
    'except',
    'query',
    'allow_restricted_indices',
    'clusters',
  ],
  ...['resources', 'workflows', 'restriction', 'description', 'transient_metadata', 'type', 'global'],
];

const INDICES = ['names', 'privileges', 'field_security', 'query', 'allow_restricted_indices'];
const SECURITY = ['grant', 'except'];
const APPLICATION = ['application', 'privileges', 'resources'];
/** Fields of a descriptor that Elasticsearch knows, with the fields of their entries. */
const FIELDS: Record<string, readonly string[] | undefined> = Object.assign(Object.create(null), {
  cluster: [],
  run_as: [],
  metadata: undefined,
  description: [],
  transient_metadata: undefined,
  type: undefined,
  indices: INDICES,
  index: INDICES,
  applications: APPLICATION,
  application: APPLICATION,
  remote_indices: ['clusters', ...INDICES],
  remote_cluster: ['clusters', 'privileges'],
  restriction: ['workflows'],
});

/** Fields that may be meant to restrict the role and that no rule knows. */
function unknownFieldsOf(role: object): string[] {
  return Object.entries(role).flatMap(([field, value]) => {
    if (!(field in FIELDS)) return [field];
    const known = FIELDS[field];
    if (known === undefined) return [];
    return [value].flat().flatMap((entry: unknown) => {
      if (typeof entry !== 'object' || entry === null) return [];
      const security = (entry as { field_security?: object }).field_security ?? {};
      return [
        ...Object.keys(entry).filter((name) => !known.includes(name)),
        ...Object.keys(security).filter((name) => !SECURITY.includes(name)),
      ];
    });
  });
}

function expectBounded(violations: readonly Violation[]): void {
  expect(violations.length).toBeGreaterThan(0);
  expect(violations.length).toBeLessThanOrEqual(100);
  for (const { path, message } of violations) expect(path.length + message.length).toBeLessThan(2_500);
}

fuzz(
  'stores no role with an unknown field, and reads each stored role back unchanged',
  mutatedJson(descriptor, NAMES),
  (json) => {
    const checked = checkRoleDescriptor(JSON.parse(json));
    if (!checked.ok) {
      expectBounded(checked.violations);
      return 'refused';
    }
    expect(unknownFieldsOf(JSON.parse(json) as object)).toEqual([]);
    const stored: unknown = JSON.parse(asciiJson(checked.descriptor));
    expect(readRoleDescriptor(stored)).toEqual(stored);
    expect(checkRoleDescriptor(stored)).toMatchObject({ ok: true, descriptor: stored });
    expect(checked.descriptor.run_as).toEqual([]);
    return 'accepted';
  },
  { accepted: 0.05, refused: 0.05 },
);

const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('viewer', 'org', 'shop') },
  { weight: 1, arbitrary: hostileText },
);
const entry = { role_id: text, organization_id: text, application_roles: fc.array(text, { maxLength: 2 }) };
const scope = fc.oneof(
  fc.record({ ...entry, all: fc.constant(true) }, { requiredKeys: ['role_id', 'all'] }),
  fc.record(
    { ...entry, project_ids: fc.array(text, { minLength: 1, maxLength: 3 }) },
    { requiredKeys: ['role_id', 'project_ids'] },
  ),
);
const assignments = fc.record(
  {
    platform: fc.array(fc.record({ role_id: text }), { maxLength: 1 }),
    organization: fc.array(fc.record(entry, { requiredKeys: ['role_id'] }), { maxLength: 2 }),
    deployment: fc.array(
      fc.record(
        { ...entry, all: fc.boolean(), deployment_ids: fc.array(text) },
        { requiredKeys: ['role_id'] },
      ),
      { maxLength: 1 },
    ),
    project: fc.dictionary(
      fc.constantFrom(...PROJECT_TYPES, 'elasticsearch_vector', 'elasticsearch_x'),
      fc.array(scope, { maxLength: 2 }),
      {
        maxKeys: 2,
      },
    ),
  },
  { requiredKeys: [] },
);
const ASSIGNMENT_NAMES = [
  ...[
    'platform',
    'organization',
    'deployment',
    'project',
    'role_id',
    'organization_id',
    'application_roles',
    'all',
  ],
  ...['project_ids', 'deployment_ids', 'serverless', ...PROJECT_TYPES],
];

/** Every string of a value and every name of its objects. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) => [
    ...(Array.isArray(value) ? [] : [name]),
    ...textsOf(child),
  ]);
}

fuzz(
  'accepts no role assignment that it does not store, and reads stored ones back unchanged',
  mutatedJson(assignments, ASSIGNMENT_NAMES),
  (json) => {
    const checked = checkNewRoleAssignments(JSON.parse(json));
    if (!checked.ok) {
      expectBounded(checked.violations);
      return 'refused';
    }
    const stored: unknown = JSON.parse(JSON.stringify(checked.assignments));
    expect(roleAssignmentsSchema.parse(stored)).toEqual(stored);
    const kept = new Set(textsOf(stored));
    const lost = textsOf(JSON.parse(json)).filter(
      (each) => !kept.has(each) && !each.startsWith('elasticsearch_'),
    );
    expect(lost.filter((each) => !isNullField(JSON.parse(json), each))).toEqual([]);
    return 'accepted';
  },
  { accepted: 0.05, refused: 0.05 },
);

/** Whether a field occurs only with null, which counts as absent. */
function isNullField(value: unknown, name: string): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(
    ([field, child]) =>
      (field !== name || child === null || Array.isArray(value)) &&
      isNullField(child, name) &&
      child !== name,
  );
}
