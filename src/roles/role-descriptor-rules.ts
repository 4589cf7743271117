import { type Budget, isInsideOne } from './pattern.ts';
import {
  isKnownClusterPrivilege,
  isKnownIndexPrivilege,
  isKnownRemoteClusterPrivilege,
} from './privilege-names.ts';
import type { RoleDescriptor } from './role-descriptor-schema.ts';
import { jsonPath, quoted, type Violation } from './violation.ts';

/** Takes some tens of milliseconds. Plain field names, even a thousand, use no steps. */
const MAX_PATTERN_STEPS = 5_000_000;

type IndexEntry = NonNullable<RoleDescriptor['indices']>[number];

/** Elasticsearch reserves top-level metadata keys that start with an underscore. */
export function reservedMetadata(metadata: object): Violation[] {
  return Object.keys(metadata)
    .filter((key) => key.startsWith('_'))
    .map((key) => ({
      path: jsonPath(['metadata', key]),
      message: 'metadata keys that start with "_" are reserved',
    }));
}

/** Field security can only except fields that it grants, so an exception outside the grant is refused. */
export function exceptionsOutsideGrant(descriptor: RoleDescriptor): Violation[] {
  const budget: Budget = { steps: MAX_PATTERN_STEPS };
  return eachIndexEntry(descriptor).flatMap(([path, entry]) => {
    const { grant, except = [] } = entry.field_security ?? { grant: [] };
    const granted = new Set(grant);
    const outside = except.filter((exception) => !isInsideOne(exception, granted, budget));
    if (outside.length === 0) return [];
    const message =
      budget.steps < 0
        ? 'has too many wildcard patterns to compare with grant'
        : `must be covered by grant: ${outside.slice(0, 5).map(quoted).join(', ')}`;
    return [{ path: `${path}.field_security.except`, message }];
  });
}

/** Returns one sentence for each unknown privilege name. */
export function unknownPrivileges(descriptor: RoleDescriptor): string[] {
  const unknown = (path: string, kind: string, names: string[], isKnown: (name: string) => boolean) =>
    names.flatMap((name, at) =>
      isKnown(name)
        ? []
        : [`${path}[${at}]: ${quoted(name)} is not a known ${kind} privilege; it is stored unchanged`],
    );
  return [
    ...unknown('cluster', 'cluster', descriptor.cluster ?? [], isKnownClusterPrivilege),
    ...eachIndexEntry(descriptor).flatMap(([path, entry]) =>
      unknown(`${path}.privileges`, 'index', entry.privileges, isKnownIndexPrivilege),
    ),
    ...(descriptor.remote_cluster ?? []).flatMap((entry, at) =>
      unknown(
        `remote_cluster[${at}].privileges`,
        'remote cluster',
        entry.privileges,
        isKnownRemoteClusterPrivilege,
      ),
    ),
  ];
}

function eachIndexEntry(descriptor: RoleDescriptor): [path: string, entry: IndexEntry][] {
  const withPath = (field: 'indices' | 'remote_indices') =>
    (descriptor[field] ?? []).map((entry, at): [string, IndexEntry] => [`${field}[${at}]`, entry]);
  return [...withPath('indices'), ...withPath('remote_indices')];
}
