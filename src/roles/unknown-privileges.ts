import { isKnownClusterPrivilege, isKnownIndexPrivilege } from './privilege-names.ts';
import type { RoleDescriptor } from './role-descriptor-schema.ts';
import { quoted, type Violation } from './violation.ts';

/** Finds privilege names that a newer Elasticsearch may know. */
export function unknownPrivileges(descriptor: RoleDescriptor): Violation[] {
  const unknown = (
    path: string,
    kind: string,
    names: readonly string[],
    isKnown: (name: string) => boolean,
  ): Violation[] =>
    names.flatMap((name, at) =>
      isKnown(name)
        ? []
        : [{ path: `${path}[${at}]`, message: `${quoted(name)} is not a known ${kind} privilege` }],
    );
  return [
    ...unknown('cluster', 'cluster', descriptor.cluster, isKnownClusterPrivilege),
    ...(['indices', 'remote_indices'] as const).flatMap((field) =>
      (descriptor[field] ?? []).flatMap(({ privileges }, at) =>
        unknown(`${field}[${at}].privileges`, 'index', privileges, isKnownIndexPrivilege),
      ),
    ),
  ];
}
