import { ERRORS, type ErrorRow, RETRY_AFTER_SECONDS } from '../../src/errors.ts';
import { code, GENERATED, table } from './markdown.ts';

type Rows = Readonly<Record<string, ErrorRow>>;

/** One table row per code and sentence, ordered by status. @throws Error if one code has two statuses or two types */
function rowsByCode<Form extends { code: string; status: number; message?: string }>(
  errors: Rows,
  formOf: (row: ErrorRow) => Form,
  cells: (form: Form) => readonly string[],
): string[][] {
  const byCode = [...Map.groupBy(Object.entries(errors), ([, row]) => formOf(row).code).values()];
  return byCode
    .map((rows) => ({ rows, form: formOf((rows[0] as [string, ErrorRow])[1]) }))
    .toSorted((a, b) => a.form.status - b.form.status)
    .flatMap(({ rows, form }) => {
      const kind = (one: Form) => [one.status, ...cells(one)].join(' ');
      const other = rows.find(([, row]) => kind(formOf(row)) !== kind(form));
      if (other !== undefined) {
        throw new Error(
          `${rows[0]?.[0]} (${kind(form)}) and ${other[0]} (${kind(formOf(other[1]))}) share the code ${form.code}. Give one of them another code in src/errors.ts.`,
        );
      }
      const sentences = new Set(rows.map(([, row]) => formOf(row).message ?? row.message));
      return [...sentences].map((sentence) => [
        code(form.code),
        String(form.status),
        ...cells(form),
        sentence,
      ]);
    });
}

const uiamRows = (errors: Rows) =>
  rowsByCode(
    errors,
    (row) => row.uiam,
    ({ type }) => [code(type)],
  );

const cloudRows = (errors: Rows) =>
  rowsByCode(
    errors,
    (row) => row.cloud,
    () => [],
  );

/** docs/errors.md */
export function errorsPage(errors: Rows = ERRORS): string {
  return `${GENERATED}

# Errors

- **401**: the key is at fault. A retry does not help.
- **403**: the key is valid but lacks the permission.
- **503**: the service cannot decide at the moment. It always sends ${code('Retry-After')}: ${RETRY_AFTER_SECONDS}, or up to 30 seconds with ${code('SERVICE.OVERLOADED')}, so that not all callers return together. An outage of the service never makes a valid key look invalid.

${code('message')} may say more than the sentences below.

## UIAM calls

Every response of ${code('/uiam/api/v1')} that is not 2xx has this body:

\`\`\`json
{ "request_id": "…", "error": { "code": "0x…", "message": "…", "resource": "…", "type": "…" } }
\`\`\`

${code('resource')} is what the error is about (a key id, a project id, the path of a field) or ${code('null')}. The log has the same id in the field ${code('http.request.id')}.
Of failures of the service (5xx) it has at most one line per second and kind; refusals (4xx) are lines of the level ${code('debug')}.

${table(['Code', 'Status', 'Type', 'Meaning'], uiamRows(errors))}

Codes that start with ${code('0x1A')} belong to this service. Clients of the protocol know all others.

## Elastic Cloud API

Every response of ${code('/api/v1')} that is not 2xx has this body. The header ${code('x-cloud-error-codes')} repeats the code.

\`\`\`json
{ "errors": [{ "code": "…", "message": "…", "fields": ["…"] }] }
\`\`\`

${code('fields')} contains the JSON paths of invalid fields.

${table(['Code', 'Status', 'Meaning'], cloudRows(errors))}
`;
}
