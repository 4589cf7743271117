import { IamError } from '../errors.ts';
import type { DenialReason, ResolvedContext } from './role-resolver.ts';

/** A context in which the key has no permissions. */
export type DeniedContext = Extract<ResolvedContext, { granted: false }>;

const messages: Record<DenialReason, (names: readonly string[]) => string> = {
  other_organization: () => 'the project belongs to another organization than the API key',
  no_assignment: () => 'the API key has no role assignment that covers the project',
  no_application_roles: () =>
    'the role assignments that cover the project have no application_roles; they apply to the Cloud API only',
  no_such_roles: (names) => `the project has none of the assigned roles: ${names.join(', ')}`,
};

/** Public reason for a denied context. */
export function denialMessage(denied: DeniedContext): string {
  return messages[denied.reason](denied.unresolved);
}

/** The 403 of a call without any granted context. The message has the first reason and the number of other denials. */
export function permissionDenied(denied: readonly DeniedContext[]): IamError {
  const first = denied[0];
  if (first === undefined) return new IamError('PERMISSION_DENIED');
  const others = denied.length > 1 ? ` (and ${denied.length - 1} more contexts were denied)` : '';
  return new IamError('PERMISSION_DENIED', {
    message: `Access to ${first.context.projectType} project ${first.context.projectId} is denied: ${denialMessage(first)}${others}.`,
    resource: first.context.projectId,
  });
}
