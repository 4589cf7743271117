import { applicationNameProblem, applicationPrivilegeProblem } from './application-privilege.ts';
import { uncoveredBy } from './patterns/coverage.ts';
import { patternProblem } from './patterns/name-pattern.ts';
import { Terms } from './patterns/term.ts';
import { isKnownRemoteClusterPrivilege, isKnownWorkflow } from './privilege-names.ts';
import { repeatedKey } from './repeated-key.ts';
import { isObject } from './role-descriptor-input.ts';
import type { RoleDescriptor } from './role-descriptor-schema.ts';
import { jsonPath, quoted, type Violation } from './violation.ts';

/** Bounds the comparison of patterns of one descriptor: at most a few hundred milliseconds. A thousand wildcards need less. */
const MAX_PATTERN_STEPS = 300_000;

/** The work that the patterns of one descriptor may cause, or of several that one caller sends together. */
export class PatternBudget {
  readonly terms = new Terms(MAX_PATTERN_STEPS);
}

type Indices = RoleDescriptor['indices'][number];

/** Elasticsearch reserves top-level metadata keys that start with an underscore. */
export function reservedMetadata(metadata: object): Violation[] {
  return Object.keys(metadata)
    .filter((key) => key.startsWith('_'))
    .map((key) => ({
      path: jsonPath(['metadata', key]),
      message: 'metadata keys that start with "_" are reserved',
    }));
}

/** What Elasticsearch refuses although the types are right. Only new roles must satisfy these rules. */
export function brokenRules(descriptor: RoleDescriptor, { terms }: PatternBudget): Violation[] {
  const invalidPatterns = patternsOf(descriptor).flatMap(([path, patterns]) =>
    problemsOf(path, patterns, (pattern) => patternProblem(terms, pattern)),
  );
  return [
    ...invalidPatterns,
    ...eachIndices(descriptor).flatMap(([path, { query }]) =>
      query === undefined || isQuery(query)
        ? []
        : [
            {
              path: `${path}.query`,
              message: 'must be one JSON query object, such as {"term":{"team":"a"}}',
            },
          ],
    ),
    ...(invalidPatterns.length > 0 ? [] : exceptionsOutsideGrant(descriptor, terms)),
    ...descriptor.applications.flatMap(({ application, privileges }, at) => [
      ...problemsOf(`applications[${at}].application`, application, applicationNameProblem),
      ...problemsOf(`applications[${at}].privileges`, privileges, applicationPrivilegeProblem),
    ]),
    ...(descriptor.remote_cluster ?? []).flatMap(({ privileges }, at) =>
      problemsOf(`remote_cluster[${at}].privileges`, privileges, (name) =>
        isKnownRemoteClusterPrivilege(name) ? undefined : 'must be monitor_enrich or monitor_stats',
      ),
    ),
    ...problemsOf('restriction.workflows', descriptor.restriction?.workflows ?? [], (name) =>
      isKnownWorkflow(name) ? undefined : 'must be search_application_query, the only known workflow',
    ),
  ];
}

/** Field security can only except fields that it grants. */
function exceptionsOutsideGrant(descriptor: RoleDescriptor, terms: Terms): Violation[] {
  return eachIndices(descriptor).flatMap(([path, { field_security: security }]) => {
    if (security?.except === undefined) return [];
    const outside = uncoveredBy(terms, security.except, security.grant);
    if (outside.length === 0) return [];
    const message =
      outside === 'too_complex'
        ? 'has patterns that are too complex to compare with grant: use plain names or fewer wildcards'
        : `must be covered by grant: ${outside.slice(0, 5).map(quoted).join(', ')}`;
    return [{ path: `${path}.field_security.except`, message }];
  });
}

/** A query has one clause (Elasticsearch, query DSL). A key that occurs twice may be a clause that is meant to restrict. */
function isQuery(text: string): boolean {
  try {
    const query: unknown = JSON.parse(text);
    if (!isObject(query)) return false;
    const clauses = Object.values(query);
    return clauses.length === 1 && typeof clauses[0] === 'object' && repeatedKey(text) === undefined;
  } catch {
    return false;
  }
}

/** Every list of names in which a text between slashes is a regular expression. */
function patternsOf(descriptor: RoleDescriptor): [path: string, patterns: readonly string[]][] {
  return [
    ...eachIndices(descriptor).flatMap(([path, { names, field_security }]): [string, readonly string[]][] => [
      [`${path}.names`, names],
      [`${path}.field_security.grant`, field_security?.grant ?? []],
      [`${path}.field_security.except`, field_security?.except ?? []],
    ]),
    ...descriptor.applications.map(({ resources }, at): [string, readonly string[]] => [
      `applications[${at}].resources`,
      resources,
    ]),
    ...(['remote_indices', 'remote_cluster'] as const).flatMap((field) =>
      (descriptor[field] ?? []).map(({ clusters }, at): [string, readonly string[]] => [
        `${field}[${at}].clusters`,
        clusters,
      ]),
    ),
  ];
}

function problemsOf(
  path: string,
  values: string | readonly string[],
  problem: (value: string) => string | undefined,
): Violation[] {
  const all: [string, string][] =
    typeof values === 'string' ? [[path, values]] : values.map((value, at) => [`${path}[${at}]`, value]);
  return all.flatMap(([path, value]) => {
    const message = problem(value);
    return message === undefined ? [] : [{ path, message: `${quoted(value)} ${message}` }];
  });
}

function eachIndices(descriptor: RoleDescriptor): [path: string, indices: Indices][] {
  return (['indices', 'remote_indices'] as const).flatMap((field) =>
    (descriptor[field] ?? []).map((entry, at): [string, Indices] => [`${field}[${at}]`, entry]),
  );
}
