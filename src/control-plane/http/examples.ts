import type { OperationExample } from '../../http/openapi.ts';

const assignment = {
  role_id: 'elasticsearch-application-only',
  all: false,
  project_ids: ['my-project'],
  application_roles: ['viewer'],
};
/** Requests omit the organization: it is that of the caller, and a reader who sends an example has another one. */
const requestedAssignments = { project: { elasticsearch: [assignment] } };
const assignments = {
  project: { elasticsearch: [{ ...assignment, organization_id: 'my-organization' }] },
};
const key = {
  id: 'BjvO4y5VI39ekJJqnNb0EQ',
  description: 'search of the shop',
  creation_date: '2026-01-05T09:00:00.000Z',
  user_id: 'user-1',
  organization_id: 'my-organization',
  expiration_date: '2026-04-05T09:00:00.000Z',
  role_assignments: assignments,
  internal: false,
  status: 'active',
};
const issued = { ...key, key: 'essu_…' };
const descriptor = { cluster: ['monitor'], indices: [{ names: ['logs-*'], privileges: ['read'] }] };
const emptyRole = { cluster: ['monitor'], indices: [], applications: [], run_as: [] };
const complete = { ...descriptor, applications: [], run_as: [], transient_metadata: { enabled: true } };
const native = { 'logs-reader': complete };
const elasticsearchRoles = { 'logs-reader': { metadata: {}, ...complete } };
const putElasticsearchRole = { request: descriptor, response: { role: { created: true } } };
const organization = { id: 'my-organization', name: 'My organization' };

/** An example for each operation of the control plane, by operation id. */
export const EXAMPLES: Readonly<Record<string, OperationExample>> = {
  createApiKey: {
    request: { description: key.description, expiration: '90d', role_assignments: requestedAssignments },
    response: issued,
  },
  listApiKeys: { response: { keys: [key] } },
  getApiKey: { response: key },
  revokeApiKey: { response: {} },
  revokeApiKeys: { request: { keys: [key.id] }, response: {} },
  rotateApiKey: {
    request: { grace_period: '24h' },
    response: { ...issued, previous_secret_expiration_date: '2026-01-06T09:00:00.000Z' },
  },
  putRole: { request: descriptor, response: { role: { created: true } } },
  getRole: { response: native },
  deleteRole: { response: { found: true } },
  listRoles: { response: native },
  listPredefinedRoles: {
    response: {
      roles: [{ project_type: 'elasticsearch', name: 'monitor', descriptor: emptyRole }],
    },
  },
  putElasticsearchRole,
  postElasticsearchRole: putElasticsearchRole,
  getElasticsearchRoles: { response: elasticsearchRoles },
  listElasticsearchRoles: { response: elasticsearchRoles },
  deleteElasticsearchRole: { response: { found: true } },
  listOrganizations: { response: { organizations: [organization] } },
  getOrganization: { response: organization },
  readAuditTrail: {
    response: {
      events: [
        {
          id: '1042',
          at: '2026-01-05T09:00:00.000Z',
          actor: { type: 'key', id: key.id },
          action: 'api_key.revoke',
          outcome: 'success',
          target: { type: 'api_key', id: 'Yv1cRkWkT3m7oXU0cG2fHw' },
          source_ip: '192.0.2.7',
          request_id: 'req-1',
          reason: null,
          count: 1,
          requested: null,
          before: { status: 'active' },
          after: { status: 'revoked', forced: false },
        },
      ],
      next: '1042',
    },
  },
  grantApiKey: {
    request: {
      description: 'alerting rule',
      internal: true,
      role_assignments: { limit: { access: ['application'], resource: ['project'] } },
    },
    response: { id: key.id, key: 'essu_…', description: 'alerting rule' },
  },
  revokeOwnApiKey: {},
  convertApiKeys: {
    request: {
      keys: [{ type: 'elasticsearch', key: 'base64 of id:secret', endpoint: 'https://es.example.com' }],
    },
    response: {
      results: [
        {
          status: 'failed',
          code: '0x1A1400',
          message: 'The key is expired.',
          resource: null,
          type: 'CONVERSION.KEY',
        },
      ],
    },
  },
};
