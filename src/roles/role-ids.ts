import { PROJECT_TYPES } from './project-type.ts';

/**
 * The role ids that Elastic Cloud publishes. They have no effect on the projects of a key, so this list is used only for
 * warnings about probable typing errors.
 */
const organizationRoleIds = ['organization-admin', 'billing-admin', 'ess-default-organization'];

const deploymentRoleIds = ['deployment-admin', 'deployment-editor', 'deployment-viewer'];

const applicationOnly = PROJECT_TYPES.map((type) => `${type}-application-only`);

const projectRoles = {
  elasticsearch: ['admin', 'developer', 'viewer'],
  observability: ['admin', 'editor', 'viewer'],
  security: [
    'admin',
    'editor',
    'viewer',
    't1-analyst',
    't2-analyst',
    't3-analyst',
    'threat-intel-analyst',
    'rule-author',
    'soc-manager',
    'detections-admin',
    'platform-engineer',
    'endpoint-operations-analyst',
    'endpoint-policy-manager',
  ],
};

const projectRoleIds = Object.entries(projectRoles).flatMap(([type, roles]) =>
  roles.map((role) => `${type}-${role}`),
);

const known: ReadonlySet<string> = new Set([
  ...organizationRoleIds,
  ...deploymentRoleIds,
  ...applicationOnly,
  ...projectRoleIds,
]);

export function isKnownRoleId(roleId: string): boolean {
  return known.has(roleId);
}
