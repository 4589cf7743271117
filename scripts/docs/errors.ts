import { ERRORS, RETRY_AFTER_SECONDS } from '../../src/errors.ts';
import { code, GENERATED, table } from './markdown.ts';

/** docs/errors.md */
export function errorsPage(): string {
  const rows = Object.values(ERRORS)
    .toSorted((a, b) => a.status - b.status)
    .map((row) => [code(row.code), String(row.status), code(row.type), row.message]);
  return `${GENERATED}

# Errors

Every answer of the ${code('/uiam/api/v1')} calls that is not 2xx has this body, whatever went wrong:

\`\`\`json
{ "request_id": "…", "error": { "code": "0x…", "message": "…", "resource": "…", "type": "…" } }
\`\`\`

${code('resource')} is what the error is about (a key id, a project id, the path of a field) or ${code('null')}. ${code('message')} may say more
than the sentence below. ${code('request_id')} stands in the log line of the same request.

- **401**: the key is not good. Retrying does not help.
- **403**: the key is good and has no permissions here.
- **503**: the service cannot tell at the moment. It always comes with ${code(`Retry-After: ${RETRY_AFTER_SECONDS}`)}; a key is never called bad because the service is not well.

${table(['Code', 'Status', 'Type', 'Meaning'], rows)}

Codes that begin with ${code('0x1A')} are of this service, their last digits the status; all others are those that clients of the
protocol know. The ${code('/api/v1')} calls of the control plane have errors of their own: [control-plane.md](control-plane.md).
`;
}
