import type { AuditEventView } from '../control-plane/audit/audit-trail.ts';
import type { KeyView, KeyWithCredential } from '../control-plane/keys/key-view.ts';
import type { KeyPage } from '../control-plane/keys/list-keys.ts';
import type { AssignedRole } from './assigned-roles.ts';
import { inCliTerms } from './cli-terms.ts';
import { permissionWords } from './permission-words.ts';
import { isForPeople, paint, width } from './terminal.ts';

// The output of the commands for people.

const STATUS_STYLES = { active: 'green', expired: 'yellow', revoked: 'red' } as const;
const COLUMN_GAP = '  ';

/** @param missing roles of the key that do not exist */
export function keyText(key: KeyView, missing: readonly AssignedRole[] = []): string {
  return [
    `id            ${key.id}`,
    `description   ${printable(key.description)}`,
    `organization  ${printable(key.organization_id)}`,
    `status        ${paint(STATUS_STYLES[key.status], key.status)}${key.revocation_date === undefined ? '' : ` since ${time(key.revocation_date)}`}`,
    `created       ${time(key.creation_date)} by ${printable(key.user_id)}`,
    `expires       ${key.expiration_date === undefined ? 'never' : time(key.expiration_date)}`,
    ...(key.previous_secret_expiration_date === undefined
      ? []
      : [`old secret    accepted until ${time(key.previous_secret_expiration_date)}`]),
    `internal      ${key.internal ? 'yes' : 'no'}`,
    ...permissionWords(key.role_assignments).map(
      (line, at) => `${at === 0 ? 'permissions   ' : '              '}${printable(line)}`,
    ),
    ...missing.map(
      ({ name, project }) =>
        `warning: the role ${printable(name)} of ${project.projectType}:${printable(project.projectId)} does not exist; it grants nothing`,
    ),
  ].join('\n');
}

export function credentialText(key: KeyWithCredential): string {
  return [
    keyText(key),
    ...(key.warnings ?? []).map((warning) => `warning: ${printable(inCliTerms(warning))}`),
    '',
    'The credential is shown only once. Store it now:',
    '',
    printable(key.key),
  ].join('\n');
}

export function pageText(page: KeyPage): string {
  const rows = page.keys.map((key) => [
    key.id,
    key.status,
    key.expiration_date === undefined ? 'never' : shortTime(key.expiration_date),
    key.internal ? 'internal' : 'external',
    key.description,
    permissionWords(key.role_assignments).join('; '),
  ]);
  return [
    table(
      ['ID', 'STATUS', isForPeople() ? 'EXPIRES' : 'EXPIRES (UTC)', 'KIND', 'DESCRIPTION', 'PERMISSIONS'],
      rows,
    ),
    ...(page.unreadable_keys ?? []).map((id) => `warning: the stored definition of key ${id} does not parse`),
    ...(page.next === undefined ? [] : [`more keys exist: add --all, or --after ${page.next}`]),
  ].join('\n');
}

/** One line of the audit trail. */
export function auditLine({ at, outcome, action, actor, target, count, reason }: AuditEventView): string {
  const parts = [
    at,
    paint(outcome === 'success' ? 'green' : 'red', outcome),
    action,
    `by ${actor.type} ${printable(actor.id)}`,
    ...(target?.id == null ? [] : [`on ${target.type} ${printable(target.id)}`]),
    ...(reason === null ? [] : [`(${reason})`]),
    ...(count > 1 ? [`×${count}`] : []),
  ];
  return parts.join(' ');
}

/** Pads columns to their widest cell. Cuts lines to the width of a terminal. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((row) => row.map(printable));
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines
    .map((line, at) => {
      const padded = line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join(COLUMN_GAP)
        .trimEnd();
      const cut = padded.length > width() ? `${padded.slice(0, width() - 1)}…` : padded;
      return at === 0 ? paint('bold', cut) : cut;
    })
    .join('\n');
}

/** Removes control characters: a description must not control the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ');
}

/** The time as the API returns it, on a terminal also relative to now. */
function time(text: string): string {
  return isForPeople() ? `${text} ${paint('dim', `(${relative(text)})`)}` : text;
}

function shortTime(text: string): string {
  return isForPeople() ? relative(text) : text.slice(0, 16).replace('T', ' ');
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** Such as "in 3 days" or "2 hours ago". */
function relative(text: string, nowMs = Date.now()): string {
  const differenceMs = Date.parse(text) - nowMs;
  const [unit, unitMs] = UNITS.find(([, unitMs]) => Math.abs(differenceMs) >= unitMs) ?? ['second', 1_000];
  return new Intl.RelativeTimeFormat('en').format(Math.trunc(differenceMs / unitMs), unit);
}
