import { isDeepStrictEqual } from 'node:util';
import type { RoleDescriptor } from '../../roles/role-descriptor.ts';

type Index = RoleDescriptor['indices'][number];
type Application = RoleDescriptor['applications'][number];

/**
 * Computes the effective permissions of a native key. Elasticsearch allows what both the key's own descriptors and those of its
 * creator (`limits`) allow. A key without own descriptors has the permissions of its creator.
 *
 * In general, role descriptors cannot express an intersection. They can if the limits allow everything that the key's own
 * descriptors name. Otherwise the result is `undefined`: a converted key must never have more permissions than the native key.
 */
export function effectiveDescriptors(
  own: readonly RoleDescriptor[],
  limits: readonly RoleDescriptor[],
): readonly RoleDescriptor[] | undefined {
  if (own.length === 0) return limits;
  return own.every((descriptor) => covers(limits, descriptor)) ? own : undefined;
}

function covers(limits: readonly RoleDescriptor[], own: RoleDescriptor): boolean {
  // A limit that is restricted to workflows allows less than it names.
  const unrestricted = limits.filter((limit) => limit.restriction === undefined);
  const cluster = new Set(unrestricted.flatMap((limit) => limit.cluster));
  const indices = unrestricted.flatMap((limit) => limit.indices);
  const applications = unrestricted.flatMap((limit) => limit.applications);
  const remotes = unrestricted.flatMap((limit) => [
    ...(limit.remote_indices ?? []),
    ...(limit.remote_cluster ?? []),
  ]);
  return (
    own.cluster.every((privilege) => cluster.has('all') || cluster.has(privilege)) &&
    own.indices.every((index) => coversIndex(indices, index)) &&
    own.applications.every((application) => coversApplication(applications, application)) &&
    [...(own.remote_indices ?? []), ...(own.remote_cluster ?? [])].every((remote) =>
      remotes.some((limit) => isDeepStrictEqual(limit, remote)),
    )
  );
}

function coversIndex(limits: readonly Index[], own: Index): boolean {
  return own.names.every((name) =>
    own.privileges.every((privilege) =>
      limits.some(
        (limit) =>
          (limit.names.includes('*') || limit.names.includes(name)) &&
          (limit.privileges.includes('all') || limit.privileges.includes(privilege)) &&
          (limit.allow_restricted_indices === true || own.allow_restricted_indices !== true) &&
          limit.query === undefined &&
          limit.field_security === undefined,
      ),
    ),
  );
}

function coversApplication(limits: readonly Application[], own: Application): boolean {
  return own.privileges.every((privilege) =>
    own.resources.every((resource) =>
      limits.some(
        (limit) =>
          (limit.application === '*' || limit.application === own.application) &&
          (limit.privileges.includes('*') || limit.privileges.includes(privilege)) &&
          (limit.resources.includes('*') || limit.resources.includes(resource)),
      ),
    ),
  );
}
