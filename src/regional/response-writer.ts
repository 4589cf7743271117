import { policies } from '../keys/cache/policies.ts';
import type { KeyRecord } from '../keys/key-record.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import type { AuthenticationRequest, RequestedContext } from './authentication-request.ts';
import { type DeniedContext, denialMessage } from './denial.ts';
import type { ResolvedContext } from './role-resolver.ts';

/*
 * Writes the body of a 200 in two parts: permissions, then identity. `authentication-schema.ts` describes the same
 * fields. Both parts are ASCII, so one character is one byte in memory and on the wire. A change of the text needs
 * another `LAYOUT` in redis-keys.ts.
 */

type GrantedContext = Extract<ResolvedContext, { granted: true }>;

/**
 * Writes the first part. Keys with the same permissions in the same projects share this text. Role descriptors are
 * JSON already and are copied.
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

/**
 * The second part without the key id, which the key record holds. All keys of a user share `userText`; only `keyText`
 * belongs to one response. `description` is the record's own string if it needs no escape.
 */
export interface Identity {
  userText: string;
  keyText: string;
  description: string;
}

/** Writes the second part; keeps one `userText` per user. */
export class IdentityWriter {
  readonly #userTexts = new BoundedCache<string, string>(policies.sharedTexts);

  write(record: KeyRecord): Identity {
    const expiration = record.expiresAtMs === null ? 'null' : `"${rfc3339(record.expiresAtMs)}"`;
    return {
      userText: this.#userText(record.createdBy),
      keyText: flat(
        `${rfc3339(record.createdAtMs)}","expiration":${expiration},"internal":${record.internal},"description":"`,
      ),
      description: escaped(record.description),
    };
  }

  #userText(createdBy: string): string {
    const cached = this.#userTexts.get(createdBy);
    if (cached !== undefined) return cached;
    const userText = flat(ascii(`"user_id":${JSON.stringify(createdBy)},"credentials":{"id":"`));
    this.#userTexts.set(createdBy, userText);
    return userText;
  }
}

const AFTER_ID = '","type":"api-key","creation":"';
const AFTER_DESCRIPTION = '"}}';

/** @param id of a key whose credential was decoded; its characters need no escape in JSON */
export function joinResponse(permissions: string, id: string, identity: Identity): string {
  return (
    permissions +
    identity.userText +
    id +
    AFTER_ID +
    identity.keyText +
    identity.description +
    AFTER_DESCRIPTION
  );
}

function rfc3339(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** Escapes with `\uXXXX` (RFC 8259, section 7). JSON has non-ASCII characters only inside strings. */
function ascii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The characters of a JSON string, without its quotation marks. */
function escaped(text: string): string {
  const json = ascii(JSON.stringify(text));
  return json.length === text.length + 2 ? text : flat(json.slice(1, -1));
}

/** Copies a concatenated string, which V8 otherwise keeps as a tree of its pieces. */
function flat(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1');
}
