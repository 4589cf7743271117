/** A guard that only tests on real servers can kill: an exact replacement and the tests that must notice it. */
export interface ServerMutant {
  file: string;
  from: string;
  to: string;
  tests: string;
}

const CONTROL_PLANE = 'test/integration/control-plane';

export const SERVER_MUTANTS: readonly ServerMutant[] = [
  {
    file: 'src/control-plane/roles/custom-roles.ts',
    from: 'WHERE organization_id = $1 AND project_type = $2 AND project_id = $3 AND deleted_at IS NULL ORDER BY',
    to: "WHERE $1 <> '' AND project_type = $2 AND project_id = $3 AND deleted_at IS NULL ORDER BY",
    tests: `${CONTROL_PLANE}/roles/role-isolation.test.ts`,
  },
  {
    file: 'src/control-plane/roles/custom-roles.ts',
    from: 'WHERE organization_id = $1 AND project_type = $2 AND project_id = $3 AND name = $4`,',
    to: "WHERE $1 <> '' AND project_type = $2 AND project_id = $3 AND name = $4`,",
    tests: `${CONTROL_PLANE}/roles/role-isolation.test.ts`,
  },
  {
    file: 'src/control-plane/roles/custom-roles.ts',
    from: 'await this.#assertOwner(transaction, principal);\n      const before',
    to: 'const before',
    tests: `${CONTROL_PLANE}/roles/role-isolation.test.ts`,
  },
  {
    file: 'src/control-plane/routes/roles.ts',
    from: 'assertOwner(request.caller);\n      const { key } = request.caller;\n      const customRoles',
    to: 'const { key } = request.caller;\n      const customRoles',
    tests: `${CONTROL_PLANE}/roles/role-isolation.test.ts`,
  },
  {
    file: 'src/control-plane/routes/elasticsearch-roles.ts',
    from: 'assertOwner(request.caller);\n      return rendered',
    to: 'return rendered',
    tests: `${CONTROL_PLANE}/roles/role-isolation.test.ts`,
  },
  {
    file: 'src/control-plane/keys/key-rows.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: text of the source
    from: 'AND NOT internal AND ${OWNER} AND NOT id',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: text of the source
    to: 'AND ${OWNER} AND NOT id',
    tests: `${CONTROL_PLANE}/keys/owners-and-quotas.test.ts`,
  },
  {
    file: 'src/control-plane/keys/key-rows.ts',
    from: 'AND NOT internal AND ',
    to: 'AND ',
    tests: `${CONTROL_PLANE}/keys/owners-and-quotas.test.ts`,
  },
  {
    file: 'src/control-plane/keys/rotate-key.ts',
    from: "if (keyStatus(before, nowMs) === 'expired') {",
    to: 'if (false) {',
    tests: `${CONTROL_PLANE}/keys/owners-and-quotas.test.ts`,
  },
  {
    file: 'src/control-plane/keys/idempotency.ts',
    from: 'WHERE actor_id = $1 AND idempotency_digest',
    to: "WHERE $1 <> '' AND idempotency_digest",
    tests: `${CONTROL_PLANE}/keys/races.test.ts`,
  },
  {
    file: 'src/control-plane/organizations/organizations.ts',
    from: 'if (required.owner && !caller.owner) throw notAnOwner();',
    to: '',
    tests: `${CONTROL_PLANE}/roles/role-isolation.test.ts`,
  },
  {
    file: 'src/control-plane/organizations/organizations.ts',
    from: 'if (caller?.active !== true) {',
    to: 'if (false) {',
    tests: `${CONTROL_PLANE}/keys/races.test.ts`,
  },
  {
    file: 'src/control-plane/organizations/organizations.ts',
    from: 'FOR NO KEY UPDATE',
    to: '',
    tests: `${CONTROL_PLANE}/keys/races.test.ts`,
  },
  {
    file: 'src/control-plane/expiry/notices.ts',
    from: 'WHERE revoked_at IS NULL AND expires_at > $1',
    to: 'WHERE expires_at > $1',
    tests: `${CONTROL_PLANE}/expiry/expiry.test.ts`,
  },
  {
    file: 'src/control-plane/start.ts',
    from: 'health.closing = true;',
    to: '',
    tests: `${CONTROL_PLANE}/shutdown.test.ts`,
  },
  {
    file: 'src/http/client-connections.ts',
    from: 'closing || ',
    to: '',
    tests: `${CONTROL_PLANE}/shutdown.test.ts`,
  },
  {
    file: 'src/regional/regional-service.ts',
    from: 'health.closing = true;',
    to: '',
    tests: 'test/integration/regional/shutdown.test.ts',
  },
  {
    file: 'src/http/client-certificates.ts',
    from: 'socket.authorized !== true',
    to: 'socket.authorized === undefined',
    tests: 'test/integration/regional/certificate-keep-alive.test.ts',
  },
];
