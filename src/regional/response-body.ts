import type { KeyRecord } from '../keys/key-record.ts';
import type { AuthenticationRequest, RequestedContext } from './authentication-request.ts';
import { type DeniedContext, denialMessage } from './denial.ts';
import type { ResolvedContext } from './role-resolver.ts';

type GrantedContext = Extract<ResolvedContext, { granted: true }>;

// The body of a 200 is written in two parts that follow each other, permissions and identity. Both are pure ASCII: one byte a
// character, in memory and on the wire.

/**
 * The first part: what the key may do. It is the same for every key with the same permissions in the same projects of an
 * organization, so that it is written and kept once. Descriptors are JSON already and are copied in as they are.
 */
export function writePermissions(
  record: KeyRecord,
  request: AuthenticationRequest,
  granted: readonly GrantedContext[],
  denied: readonly DeniedContext[],
): string {
  const contexts =
    request.contexts === undefined
      ? 'null'
      : `[${granted.map((one) => grantedContext(one, request)).join(',')}]`;
  const assignments = request.includeRoleAssignments ? JSON.stringify(record.roleAssignments) : 'null';
  return ascii(
    `{"type":"api-key","contexts":${contexts},"denied_contexts":[${denied.map(deniedContext).join(',')}],"role_assignments":${assignments},"organization_id":${JSON.stringify(record.organizationId)},"email":null,"first_name":null,"last_name":null,"token":null,`,
  );
}

function grantedContext(granted: GrantedContext, request: AuthenticationRequest): string {
  const names = granted.roles.map((role) => JSON.stringify(role.name));
  const descriptors = request.includeRoleDescriptors
    ? `,"role_descriptors":{${granted.roles.map((role, index) => `${names[index]}:${role.descriptorJson}`).join(',')}}`
    : '';
  return `{${project(granted.context)},"application_roles":[${names.join(',')}]${descriptors},"unresolved_application_roles":${JSON.stringify(granted.unresolved)}}`;
}

function deniedContext(denied: DeniedContext): string {
  return `{${project(denied.context)},"error":${JSON.stringify(denialMessage(denied))}}`;
}

function project(context: RequestedContext): string {
  return `"type":"project","project_id":${JSON.stringify(context.projectId)},"project_type":"${context.projectType}","project_organization_id":${JSON.stringify(context.organizationId)}`;
}

/** JSON says the same with `\uXXXX` (RFC 8259, section 7). Outside of strings JSON has no other characters. */
export function ascii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
