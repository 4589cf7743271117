import { describe, expect, it } from 'vitest';
import { TooComplexError } from '../../../src/roles/patterns/term.ts';
import { checkRoleDescriptor, readRoleDescriptor } from '../../../src/roles/role-descriptor.ts';
import { sizeProblem } from '../../../src/roles/role-descriptor-input.ts';
import { PatternBudget } from '../../../src/roles/role-descriptor-rules.ts';
import { descriptor } from '../../support/roles.ts';

const index = { names: ['logs-*'], privileges: ['read'] };
const application = { application: 'kibana-.kibana', privileges: ['read'], resources: ['*'] };

const complete = {
  cluster: ['monitor', 'cluster:monitor/main'],
  indices: [
    {
      names: ['logs-*', '/metrics-.*/'],
      privileges: ['read', 'indices:data/read/get'],
      field_security: { grant: ['customer.*', 'id'], except: ['customer.name'] },
      query: '{"match_all":{}}',
      allow_restricted_indices: false,
    },
  ],
  applications: [application],
  run_as: [],
  metadata: { team: 'billing', nested: { _free: true } },
  remote_indices: [{ clusters: ['eu-*'], ...index }],
  remote_cluster: [{ clusters: ['*'], privileges: ['monitor_enrich'] }],
  description: 'Reads logs.',
  restriction: { workflows: ['search_application_query'] },
};

const nested = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as unknown;

it('returns a descriptor with every field unchanged', () => {
  expect(checkRoleDescriptor(complete)).toEqual({ ok: true, descriptor: complete, warnings: [] });
});

it('accepts an empty descriptor as a role without permissions', () => {
  expect(checkRoleDescriptor({})).toEqual({ ok: true, descriptor: descriptor({}), warnings: [] });
});

it('returns the stored form of a descriptor unchanged', () => {
  const input = { indices: [{ names: 'a', privileges: 'read', query: { term: { a: 1 } } }] };
  const first = checkRoleDescriptor(input);
  expect(first.ok && checkRoleDescriptor(first.descriptor)).toEqual(first);
});

describe('stores the alternative forms of Elasticsearch in one form:', () => {
  const stored = (input: unknown) => {
    const checked = checkRoleDescriptor(input);
    return checked.ok ? checked.descriptor : checked.violations;
  };

  it('a single string becomes a list', () => {
    expect(stored({ indices: [{ names: 'a', privileges: 'read' }] })).toEqual(
      descriptor({ indices: [{ names: ['a'], privileges: ['read'] }] }),
    );
    expect(stored({ applications: [{ application: 'app', privileges: 'read', resources: '*' }] })).toEqual(
      descriptor({ applications: [{ application: 'app', privileges: ['read'], resources: ['*'] }] }),
    );
    expect(stored({ remote_cluster: [{ clusters: '*', privileges: 'monitor_stats' }] })).toEqual(
      descriptor({ remote_cluster: [{ clusters: ['*'], privileges: ['monitor_stats'] }] }),
    );
  });

  it('the aliases index and application get their full names', () => {
    expect(stored({ index: [index], application: [application] })).toEqual(
      descriptor({ indices: [index], applications: [application] }),
    );
  });

  it('null for cluster and run_as, and null or no text for a query, mean none', () => {
    expect(stored({ cluster: null, run_as: null })).toEqual(descriptor({}));
    for (const query of [null, '']) {
      expect(stored({ indices: [{ ...index, query }] })).toEqual(descriptor({ indices: [index] }));
    }
  });

  it('the field type is dropped', () => {
    expect(stored({ type: 'role', cluster: ['all'] })).toEqual(descriptor({ cluster: ['all'] }));
  });

  it('a query object becomes JSON text, and a query string stays unchanged', () => {
    const withQuery = (query: unknown) => stored({ indices: [{ ...index, query }] });
    const query = '{"term":{"a":1}}';
    expect(withQuery({ term: { a: 1 } })).toEqual(descriptor({ indices: [{ ...index, query }] }));
    expect(withQuery(` ${query}`)).toEqual(descriptor({ indices: [{ ...index, query: ` ${query}` }] }));
  });

  it('transient_metadata of any type is dropped', () => {
    expect(stored({ transient_metadata: { enabled: false } })).toEqual(descriptor({}));
    expect(stored({ transient_metadata: 7 })).toEqual(descriptor({}));
  });

  it('the input object is not modified', () => {
    const input = { indices: [{ names: 'a', privileges: 'read', query: {} }], transient_metadata: {} };
    const copy = structuredClone(input);
    checkRoleDescriptor(input);
    expect(input).toEqual(copy);
  });
});

describe('refuses, with the path,', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['null', null, '', /must be an object/],
    ['a list', [], '', /must be an object/],
    ['an unknown field', { clusters: [] }, 'clusters', /unknown field "clusters"/],
    ['global, which serverless does not have', { global: {} }, 'global', /unknown field/],
    [
      'an unknown field of an index entry',
      { indices: [{ ...index, field: 1 }] },
      'indices[0].field',
      /unknown field "field"/,
    ],
    [
      'an unknown field of field_security',
      { indices: [index, { ...index, field_security: { grant: [], deny: [] } }] },
      'indices[1].field_security.deny',
      /unknown field/,
    ],
    [
      'an unknown field of an application',
      { applications: [{ ...application, x: 1 }] },
      'applications[0].x',
      /unknown/,
    ],
    [
      'an unknown field of remote_indices',
      { remote_indices: [{ clusters: ['*'], ...index, x: 1 }] },
      'remote_indices[0].x',
      /unknown/,
    ],
    [
      'an unknown field of remote_cluster',
      { remote_cluster: [{ clusters: ['*'], privileges: ['monitor_stats'], names: ['x'] }] },
      'remote_cluster[0].names',
      /unknown/,
    ],
    [
      'an unknown field of restriction',
      { restriction: { workflows: ['x'], until: 1 } },
      'restriction.until',
      /unknown/,
    ],
    ['a field name that is no plain word', { 'a b"': 1 }, '["a b\\""]', /unknown field "a b\\""/],
    [
      'a field named __proto__',
      JSON.parse('{"__proto__":{"cluster":["all"]}}'),
      '__proto__',
      /unknown field/,
    ],
    ['cluster as string', { cluster: 'all' }, 'cluster', /must be an array/],
    ['a number among cluster privileges', { cluster: ['all', 7] }, 'cluster[1]', /must be a string/],
    ['an empty cluster privilege', { cluster: [''] }, 'cluster[0]', /must not be empty/],
    [
      'an index entry without names',
      { indices: [{ privileges: ['read'] }] },
      'indices[0].names',
      /is required/,
    ],
    [
      'an index entry without privileges',
      { indices: [{ names: ['a'] }] },
      'indices[0].privileges',
      /is required/,
    ],
    ['an index entry that is null', { indices: [null] }, 'indices[0]', /must be an object/],
    ['empty names', { indices: [{ ...index, names: [] }] }, 'indices[0].names', /at least one/],
    [
      'empty index privileges',
      { indices: [{ ...index, privileges: [] }] },
      'indices[0].privileges',
      /at least one/,
    ],
    [
      'an open regular expression',
      { indices: [{ ...index, names: ['ok', '/open.*'] }] },
      'indices[0].names[1]',
      /"\/" is missing at the end/,
    ],
    [
      'an open regular expression as single string',
      { indices: [{ ...index, names: '/' }] },
      'indices[0].names[0]',
      /"\/" is missing at the end/,
    ],
    [
      'a query that is a list',
      { indices: [{ ...index, query: [] }] },
      'indices[0].query',
      /must be a string/,
    ],
    ...[
      'any text',
      '{',
      '[]',
      '[{}]',
      '7',
      'null',
      '{}',
      '{"a":1}',
      '{"a":{},"b":{}}',
      '{"a":{"x":1,"x":2}}',
    ].map((query): [string, unknown, string, RegExp] => [
      `the query ${query}`,
      { indices: [{ ...index, query }] },
      'indices[0].query',
      /one JSON query object/,
    ]),
    [
      'both indices and its alias',
      { indices: [index], index: [index] },
      'index',
      /another name of "indices"/,
    ],
    [
      'an invalid regular expression of indices',
      { indices: [{ ...index, names: ['/a(/'] }] },
      'indices[0].names[0]',
      /not a valid regular expression/,
    ],
    [
      'an invalid regular expression of a resource',
      { applications: [{ ...application, resources: ['*', '/[z-a]/'] }] },
      'applications[0].resources[1]',
      /not a valid regular expression: .*wrong order/,
    ],
    [
      'an invalid regular expression of a field',
      { indices: [{ ...index, field_security: { grant: ['*'], except: ['/a{/'] } }] },
      'indices[0].field_security.except[0]',
      /not a valid regular expression/,
    ],
    [
      'an invalid regular expression of a cluster',
      { remote_indices: [{ clusters: ['/a|(b/'], ...index }] },
      'remote_indices[0].clusters[0]',
      /not a valid regular expression/,
    ],
    [
      'an application name that breaks the grammar',
      { applications: [{ ...application, application: 'Kibana' }] },
      'applications[0].application',
      /must start with a lowercase letter/,
    ],
    [
      'an application privilege with a space',
      { applications: [{ ...application, privileges: ['read', 'read all'] }] },
      'applications[0].privileges[1]',
      /visible ASCII/,
    ],
    [
      'an unknown workflow',
      { restriction: { workflows: ['search_application_query', 'pour'] } },
      'restriction.workflows[1]',
      /only known workflow/,
    ],
    [
      'an unknown privilege of a remote cluster',
      { remote_cluster: [{ clusters: ['*'], privileges: ['monitor_stats', 'monitor'] }] },
      'remote_cluster[0].privileges[1]',
      /monitor_enrich or monitor_stats/,
    ],
    [
      'allow_restricted_indices as string',
      { indices: [{ ...index, allow_restricted_indices: 'no' }] },
      'indices[0].allow_restricted_indices',
      /true or false/,
    ],
    [
      'field_security without grant',
      { indices: [{ ...index, field_security: { except: ['a'] } }] },
      'indices[0].field_security.grant',
      /is required/,
    ],
    [
      'except outside grant',
      { indices: [{ ...index, field_security: { grant: ['a.*'], except: ['a.b', 'c'] } }] },
      'indices[0].field_security.except',
      /must be covered by grant: "c"$/,
    ],
    [
      'except wider than grant, on a remote index',
      {
        remote_indices: [{ clusters: ['*'], ...index, field_security: { grant: ['a.b*'], except: ['a.*'] } }],
      },
      'remote_indices[0].field_security.except',
      /must be covered by grant/,
    ],
    [
      'an application without resources',
      { applications: [{ application: 'x', privileges: ['a'] }] },
      'applications[0].resources',
      /is required/,
    ],
    [
      'an application without privileges',
      { applications: [{ application: 'x', resources: ['a'] }] },
      'applications[0].privileges',
      /is required/,
    ],
    [
      'an application without a name',
      { applications: [{ privileges: ['a'], resources: ['a'] }] },
      'applications[0].application',
      /is required/,
    ],
    ['run_as with a user', { run_as: ['elastic'] }, 'run_as', /not available for serverless/],
    ['reserved metadata', { metadata: { ok: 1, _reserved: true } }, 'metadata._reserved', /reserved/],
    [
      'metadata named __proto__',
      { metadata: JSON.parse('{"__proto__":1}') },
      'metadata.__proto__',
      /reserved/,
    ],
    ['metadata as list', { metadata: [] }, 'metadata', /must be an object/],
    [
      'remote_indices without clusters',
      { remote_indices: [index] },
      'remote_indices[0].clusters',
      /is required/,
    ],
    [
      'remote_cluster without privileges',
      { remote_cluster: [{ clusters: ['*'] }] },
      'remote_cluster[0].privileges',
      /is required/,
    ],
    [
      'a description of 1001 characters',
      { description: 'x'.repeat(1001) },
      'description',
      /at most 1000 characters/,
    ],
    ['a restriction without workflows', { restriction: {} }, 'restriction.workflows', /is required/],
    [
      'a restriction to no workflow',
      { restriction: { workflows: [] } },
      'restriction.workflows',
      /at least one/,
    ],
    ['more than 1000 entries', { cluster: Array(1001).fill('monitor') }, 'cluster', /at most 1000 entries/],
    ['a name of more than 1024 characters', { cluster: ['x'.repeat(1025)] }, 'cluster[0]', /at most 1024/],
    ['more than 256 KiB', { metadata: { x: 'x'.repeat(256 * 1024) } }, '', /at most 262144 bytes/],
    ['deep nesting', { metadata: { x: nested(100_000) } }, '', /nested deeper than 32/],
  ])('%s', (_name, input, path, message) => {
    const checked = checkRoleDescriptor(input);
    expect(checked).toEqual({ ok: false, violations: [{ path, message: expect.stringMatching(message) }] });
  });
});

it('bounds the size of an input, and the work for the patterns of a role', () => {
  const ofBytes = (bytes: number) => sizeProblem('x'.repeat(bytes - 2));
  expect([ofBytes(262_144), ofBytes(262_145)]).toEqual([undefined, expect.stringMatching(/bytes/)]);
  expect([sizeProblem(nested(32)), sizeProblem(nested(33))]).toEqual([
    undefined,
    expect.stringMatching(/deeper/),
  ]);
  const { terms } = new PatternBudget();
  expect(() => terms.spend(299_000)).not.toThrow();
  expect(() => terms.spend(1_000)).toThrow(TooComplexError);
});

it('reports all violations of the schema together', () => {
  const checked = checkRoleDescriptor({ x: 1, y: 1, run_as: ['a'], metadata: { _a: 1 }, indices: [{}] });
  const paths = checked.ok ? [] : checked.violations.map((violation) => violation.path);
  expect(paths.toSorted()).toEqual([
    'indices[0].names',
    'indices[0].privileges',
    'metadata._a',
    'run_as',
    'x',
    'y',
  ]);
});

it('reports at most a hundred violations', () => {
  const checked = checkRoleDescriptor({ cluster: Array(1000).fill(1) });
  expect(checked.ok ? [] : checked.violations).toHaveLength(100);
});

it('never repeats a value of the input and shortens a long field name', () => {
  const checked = checkRoleDescriptor({ ['n'.repeat(5000)]: 1, description: 7 });
  expect(JSON.stringify(checked).length).toBeLessThan(400);
});

it('keeps unknown privileges and warns with their path', () => {
  const input = {
    cluster: ['monitor', 'manage_tea'],
    indices: [{ names: ['a'], privileges: ['READ', 'drink'] }],
    remote_indices: [{ clusters: ['*'], names: ['a'], privileges: ['cluster:x'] }],
  };
  const checked = checkRoleDescriptor(input);
  expect(checked).toMatchObject({ ok: true, descriptor: input });
  expect(checked.ok && checked.warnings.map((warning) => warning.split(' is ')[0])).toEqual([
    'cluster[1]: "manage_tea"',
    'indices[0].privileges[1]: "drink"',
    'remote_indices[0].privileges[0]: "cluster:x"',
  ]);
});

it('refuses unknown privileges in strict mode, and accepts known ones', () => {
  expect(checkRoleDescriptor({ cluster: ['manage_tea'] }, { strict: true })).toEqual({
    ok: false,
    violations: [{ path: 'cluster[0]', message: '"manage_tea" is not a known cluster privilege' }],
  });
  expect(checkRoleDescriptor(complete, { strict: true })).toMatchObject({ ok: true });
});

it('reads stored descriptors that are older than the rules for new ones', () => {
  const stored = {
    indices: [{ ...index, query: 'any text', names: ['/a(/'] }],
    applications: [{ application: 'X', privileges: ['a b'], resources: ['/'] }],
    remote_cluster: [{ clusters: ['*'], privileges: ['pour'] }],
    restriction: { workflows: ['x'] },
  };
  expect(checkRoleDescriptor(stored).ok).toBe(false);
  expect(readRoleDescriptor(stored)).toEqual(descriptor(stored));
  expect(readRoleDescriptor({ indices: [{ names: ['a'] }] })).toBeUndefined();
});

it('refuses patterns that are slow to compare, with bounded work', () => {
  const grant = Array.from({ length: 100 }, (_, at) => `*${'a'.repeat(400)}${at}*b`);
  const except = Array.from({ length: 100 }, (_, at) => `${'a'.repeat(800)}${at}`);
  // Time of the processor, which other work on the machine does not lengthen much. Without the bound it is minutes.
  const before = process.cpuUsage();
  const checked = checkRoleDescriptor({ indices: [{ ...index, field_security: { grant, except } }] });
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(5);
  expect(checked).toMatchObject({
    ok: false,
    violations: [{ message: expect.stringMatching(/too complex/) }],
  });
});

it.each(['a{1400}', '(a{1400}b)'])(
  'refuses a role full of %s, which is short and builds long terms',
  (expression) => {
    const name = `/${`${expression}|`.repeat(90)}a/`;
    const before = process.cpuUsage();
    const checked = checkRoleDescriptor({ indices: [{ ...index, names: Array<string>(60).fill(name) }] });
    expect(process.cpuUsage(before).user / 1e6).toBeLessThan(5);
    expect(checked).toMatchObject({
      ok: false,
      violations: expect.arrayContaining([
        { path: expect.anything(), message: expect.stringMatching(/too complex/) },
      ]),
    });
  },
);
