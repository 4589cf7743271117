import { isDeepStrictEqual } from 'node:util';
import type { RoleDescriptor } from '../roles/role-descriptor.ts';

/** Roles by a name that is unique among them, such as `security/viewer`. */
export type NamedRoles = ReadonlyMap<string, RoleDescriptor>;

/** How other definitions differ from those of the service. */
export interface RoleDifference {
  /** Only the service has these. */
  missing: string[];
  /** Only the other side has these. */
  additional: string[];
  /** Both have these, with the fields that differ. */
  changed: { name: string; fields: string[] }[];
}

/** Compares permissions. Metadata and descriptions grant nothing, and the order of a list means nothing. */
export function roleDifference(own: NamedRoles, other: NamedRoles): RoleDifference {
  const changed = [...own].flatMap(([name, descriptor]) => {
    const theirs = other.get(name);
    const fields = theirs === undefined ? [] : differingFields(descriptor, theirs);
    return fields.length === 0 ? [] : [{ name, fields }];
  });
  return {
    missing: [...own.keys()].filter((name) => !other.has(name)),
    additional: [...other.keys()].filter((name) => !own.has(name)),
    changed,
  };
}

const FIELDS = [
  'cluster',
  'indices',
  'applications',
  'remote_indices',
  'remote_cluster',
  'restriction',
] as const;

function differingFields(one: RoleDescriptor, two: RoleDescriptor): string[] {
  return FIELDS.filter((field) => !isDeepStrictEqual(canonical(one[field]), canonical(two[field])));
}

/** Sorts lists, and drops the value that Elasticsearch writes for an absent flag. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical).toSorted((one, two) => compare(text(one), text(two)));
  if (typeof value !== 'object' || value === null) return value ?? [];
  const entries = Object.entries(value).filter(
    ([name, flag]) => flag !== undefined && !(name === 'allow_restricted_indices' && flag === false),
  );
  return Object.fromEntries(entries.map(([name, inner]) => [name, canonical(inner)]));
}

const text = (value: unknown) => JSON.stringify(value);
const compare = (one: string, two: string) => (one < two ? -1 : one > two ? 1 : 0);
