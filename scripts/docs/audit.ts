import { AUDIT_ACTIONS } from '../../src/control-plane/audit/audit-event.ts';
import { code, GENERATED, table } from './markdown.ts';

/** docs/audit.md */
export function auditPage(): string {
  return `${GENERATED}

# Audit actions

An audit event has one of these actions. Events of calls that only read are refusals. \`iam audit --action <action>\` and
\`GET /api/v1/audit?action=<action>\` select one; [control-plane.md](control-plane.md#audit) describes the trail.

${table(
  ['Action', 'Call'],
  Object.entries(AUDIT_ACTIONS).map(([action, call]) => [code(action), call]),
)}
`;
}
