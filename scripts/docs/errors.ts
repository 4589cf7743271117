import { ERRORS, RETRY_AFTER_SECONDS } from '../../src/errors.ts';
import { code, GENERATED, table } from './markdown.ts';

type Row = (typeof ERRORS)[keyof typeof ERRORS];

/** One table row per code and sentence, ordered by status. */
function rowsByCode<Form extends { code: string; status: number; message?: string }>(
  formOf: (row: Row) => Form,
  cells: (form: Form) => readonly string[],
): string[][] {
  const byCode = [...Map.groupBy(Object.values(ERRORS), (row) => formOf(row).code).values()];
  return byCode
    .toSorted(([a], [b]) => formOf(a as Row).status - formOf(b as Row).status)
    .flatMap((rows) => {
      const form = formOf(rows[0] as Row);
      const sentences = new Set(rows.map((row) => formOf(row).message ?? row.message));
      return [...sentences].map((sentence) => [
        code(form.code),
        String(form.status),
        ...cells(form),
        sentence,
      ]);
    });
}

const uiamRows = () =>
  rowsByCode(
    (row) => row.uiam,
    ({ type }) => [code(type)],
  );

const cloudRows = () =>
  rowsByCode(
    (row) => row.cloud,
    () => [],
  );

/** docs/errors.md */
export function errorsPage(): string {
  return `${GENERATED}

# Errors

- **401**: the key is at fault. A retry does not help.
- **403**: the key is valid but lacks the permission.
- **503**: the service cannot decide at the moment. It always sends ${code(`Retry-After: ${RETRY_AFTER_SECONDS}`)}. An outage of the service never makes a valid key look invalid.

${code('message')} may say more than the sentences below.

## UIAM calls

Every response of ${code('/uiam/api/v1')} that is not 2xx has this body:

\`\`\`json
{ "request_id": "…", "error": { "code": "0x…", "message": "…", "resource": "…", "type": "…" } }
\`\`\`

${code('resource')} is what the error is about (a key id, a project id, the path of a field) or ${code('null')}. The log line of the request contains the same
${code('request_id')}.

${table(['Code', 'Status', 'Type', 'Meaning'], uiamRows())}

Codes that start with ${code('0x1A')} belong to this service; their last digits are the status. Clients of the protocol know all others.

## Elastic Cloud API

Every response of ${code('/api/v1')} that is not 2xx has this body. The header ${code('x-cloud-error-codes')} repeats the code.

\`\`\`json
{ "errors": [{ "code": "…", "message": "…", "fields": ["…"] }] }
\`\`\`

${code('fields')} contains the JSON paths of invalid fields.

${table(['Code', 'Status', 'Meaning'], cloudRows())}
`;
}
