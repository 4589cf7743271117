import type { estypes } from '@elastic/elasticsearch';
import { expect, it } from 'vitest';
import file from '../../../src/roles/predefined/roles.json' with { type: 'json' };
import { predefinedRoles } from '../../../src/roles/predefined.ts';
import { checkRoleDescriptor, type RoleDescriptor } from '../../../src/roles/role-descriptor.ts';

/*
 * The compiler is the test: `npm run check` compiles this file against the types of the official client. The assertions at
 * run time only tie the compiled values to the code under test.
 */

/** The client's types also demand the input alias of `indices`, which Elasticsearch never writes. */
type Read = Omit<estypes.SecurityRoleDescriptorRead, 'index'>;
type PutRole = Omit<estypes.SecurityPutRoleRequest, 'name'>;
type CreateApiKey = estypes.SecurityCreateApiKeyRequest;

/** A value as JSON carries it: an absent property is never `undefined`. */
type Json<T> = T extends object ? { [Key in keyof T]: Json<Exclude<T[Key], undefined>> } : T;
/** The rules for new roles allow only the names that the client's type lists. */
type Descriptor = Omit<Json<RoleDescriptor>, 'remote_cluster'> & {
  remote_cluster?: estypes.SecurityRemoteClusterPrivileges[];
};

const read = (descriptor: Descriptor): Read => descriptor;
const putRole = (descriptor: Descriptor): PutRole => descriptor;
const createApiKey = (descriptor: Descriptor): CreateApiKey => ({
  role_descriptors: { role: descriptor },
});

it('gives predefined descriptors the types of the official client', () => {
  const roles: Record<string, Record<string, Read>> = file.roles;
  expect(Object.values(roles).flatMap(Object.values)).toHaveLength(predefinedRoles.length);
});

/** Custom roles as clients write them. */
const CUSTOM = [
  {},
  { cluster: ['monitor', 'manage_own_api_key'] },
  { indices: [{ names: ['logs-*', '/metrics-.*/'], privileges: ['read', 'view_index_metadata'] }] },
  {
    indices: [
      {
        names: 'orders',
        privileges: ['read'],
        query: { bool: { filter: [{ term: { region: 'eu' } }] } },
        field_security: { grant: ['*'], except: ['customer.*'] },
        allow_restricted_indices: false,
      },
    ],
  },
  { indices: [{ names: ['a'], privileges: ['all'], query: '{"match_all":{}}' }] },
  {
    applications: [
      { application: 'kibana-.kibana', privileges: ['feature_discover.read'], resources: ['*'] },
    ],
  },
  { run_as: [], metadata: { team: 'search', nested: { level: 2 } }, description: 'Reads.' },
  { remote_indices: [{ clusters: ['eu-*'], names: ['logs-*'], privileges: ['read'] }] },
  { remote_cluster: [{ clusters: ['*'], privileges: ['monitor_enrich'] }] },
  { restriction: { workflows: ['search_application_query'] } },
  { transient_metadata: { enabled: true } },
] satisfies (PutRole & estypes.SecurityRoleDescriptor)[];

it.each(CUSTOM)(
  'accepts the role %j of the official client, and returns it in the types of the client',
  (input) => {
    const checked = checkRoleDescriptor(input, { strict: true });
    if (!checked.ok) throw new Error(JSON.stringify(checked.violations));
    for (const convert of [read, putRole, createApiKey])
      expect(convert(checked.descriptor as Descriptor)).toBeDefined();
  },
);
