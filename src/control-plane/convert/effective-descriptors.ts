import { isDeepStrictEqual } from 'node:util';
import type { RoleDescriptor } from '../../roles/role-descriptor.ts';

type Index = NonNullable<RoleDescriptor['indices']>[number];
type Application = NonNullable<RoleDescriptor['applications']>[number];

/**
 * What a native key may do, as role descriptors: Elasticsearch allows it what its own descriptors and its creator's
 * (`limits`) both allow, and a key without descriptors of its own what the creator's allow.
 *
 * An intersection is no role descriptor in general. It is one where the limits allow all of what the key's own
 * descriptors name; anything else answers `undefined`, because a converted key must never be able to do more.
 */
export function effectiveDescriptors(
  own: readonly RoleDescriptor[],
  limits: readonly RoleDescriptor[],
): readonly RoleDescriptor[] | undefined {
  if (own.length === 0) return limits;
  return own.every((descriptor) => covers(limits, descriptor)) ? own : undefined;
}

function covers(limits: readonly RoleDescriptor[], asked: RoleDescriptor): boolean {
  // A limit that is itself confined to workflows allows less than it names.
  const open = limits.filter((limit) => limit.restriction === undefined);
  const cluster = new Set(open.flatMap((limit) => limit.cluster ?? []));
  const indices = open.flatMap((limit) => limit.indices ?? []);
  const applications = open.flatMap((limit) => limit.applications ?? []);
  const remotes = open.flatMap((limit) => [...(limit.remote_indices ?? []), ...(limit.remote_cluster ?? [])]);
  return (
    (asked.cluster ?? []).every((privilege) => cluster.has('all') || cluster.has(privilege)) &&
    (asked.indices ?? []).every((index) => coversIndex(indices, index)) &&
    (asked.applications ?? []).every((application) => coversApplication(applications, application)) &&
    [...(asked.remote_indices ?? []), ...(asked.remote_cluster ?? [])].every((remote) =>
      remotes.some((limit) => isDeepStrictEqual(limit, remote)),
    )
  );
}

function coversIndex(limits: readonly Index[], asked: Index): boolean {
  return asked.names.every((name) =>
    asked.privileges.every((privilege) =>
      limits.some(
        (limit) =>
          (limit.names.includes('*') || limit.names.includes(name)) &&
          (limit.privileges.includes('all') || limit.privileges.includes(privilege)) &&
          (limit.allow_restricted_indices === true || asked.allow_restricted_indices !== true) &&
          limit.query === undefined &&
          limit.field_security === undefined,
      ),
    ),
  );
}

function coversApplication(limits: readonly Application[], asked: Application): boolean {
  return asked.privileges.every((privilege) =>
    asked.resources.every((resource) =>
      limits.some(
        (limit) =>
          (limit.application === '*' || limit.application === asked.application) &&
          (limit.privileges.includes('*') || limit.privileges.includes(privilege)) &&
          (limit.resources.includes('*') || limit.resources.includes(resource)),
      ),
    ),
  );
}
