import type { KeyView, KeyWithCredential } from '../control-plane/keys/key-view.ts';
import type { KeyPage } from '../control-plane/keys/list-keys.ts';

// The output of the commands for people.

export function keyText(key: KeyView): string {
  return [
    `id            ${key.id}`,
    `description   ${key.description}`,
    `organization  ${key.organization_id}`,
    `status        ${key.status}${key.revocation_date === undefined ? '' : ` since ${key.revocation_date}`}`,
    `created       ${key.creation_date} by ${key.user_id}`,
    `expires       ${key.expiration_date ?? 'never'}`,
    ...(key.previous_secret_expiration_date === undefined
      ? []
      : [`old secret    accepted until ${key.previous_secret_expiration_date}`]),
    `internal      ${key.internal ? 'yes' : 'no'}`,
    `permissions   ${JSON.stringify(key.role_assignments)}`,
  ].join('\n');
}

export function credentialText(key: KeyWithCredential): string {
  return [
    keyText(key),
    ...(key.warnings ?? []).map((warning) => `warning: ${warning}`),
    '',
    'The credential is shown only once. Store it now:',
    '',
    key.key,
  ].join('\n');
}

export function pageText(page: KeyPage): string {
  const rows = page.keys.map((key) => [
    key.id,
    key.status,
    key.expiration_date?.slice(0, 16).replace('T', ' ') ?? 'never',
    key.internal ? 'internal' : 'external',
    key.description,
  ]);
  return [
    table(['ID', 'STATUS', 'EXPIRES (UTC)', 'KIND', 'DESCRIPTION'], rows),
    ...(page.unreadable_keys ?? []).map((id) => `warning: the stored definition of key ${id} does not parse`),
    ...(page.next === undefined ? [] : [`more: --after ${page.next}`]),
  ].join('\n');
}

/** Pads columns to their widest cell. Removes control characters: a description must not control the terminal. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((row) => row.map((cell) => cell.replace(/\p{Cc}/gu, ' ')));
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
