import { IamError } from '../errors.ts';
import { policies } from '../keys/cache/policies.ts';
import type { KeyRecord } from '../keys/key-record.ts';
import { asciiJson } from '../lib/ascii-json.ts';
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
 * Lays out the first part, so that its size is known before it is written. Keys with the same permissions in the same
 * projects share this text. Role descriptors are ASCII JSON already and are copied.
 * @param resolved one per requested context; equal contexts are one object
 * @param maxBytes of the text
 * @throws {IamError} 400 if it would be longer
 */
export function layOutPermissions(
  record: KeyRecord,
  request: AuthenticationRequest,
  resolved: readonly ResolvedContext[],
  maxBytes: number,
): Layout {
  const layout = new Layout(maxBytes);
  layout.add('{"type":"api-key","contexts":');
  const granted = resolved.filter((one) => one.granted);
  if (request.contexts === undefined) layout.add('null');
  else layout.addList(granted, (context) => grantedContext(context, request));
  layout.add(',"denied_contexts":');
  layout.addList(
    resolved.filter((one) => !one.granted),
    deniedContext,
  );
  const assignments = request.includeRoleAssignments ? asciiJson(record.roleAssignments) : 'null';
  layout.add(
    `,"role_assignments":${assignments},"organization_id":${asciiJson(record.organizationId)},"email":null,"first_name":null,"last_name":null,"token":null,`,
  );
  return layout;
}

/** The pieces of a text, which are shared and not copied until `write`. */
class Layout {
  readonly #pieces: string[] = [];
  readonly #maxBytes: number;
  bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(piece: string): void {
    this.#pieces.push(piece);
    this.bytes += piece.length;
    if (this.bytes > this.#maxBytes) throw responseTooLarge(this.#maxBytes);
  }

  /** Adds a JSON array. @param piecesOf pieces of an item; called once for equal items */
  addList<Item>(items: readonly Item[], piecesOf: (item: Item) => readonly string[]): void {
    const known = new Map<Item, readonly string[]>();
    let separator = '[';
    for (const item of items) {
      const pieces = known.get(item) ?? piecesOf(item);
      known.set(item, pieces);
      this.add(separator);
      for (const piece of pieces) this.add(piece);
      separator = ',';
    }
    this.add(items.length === 0 ? '[]' : ']');
  }

  write(): string {
    return this.#pieces.join('');
  }
}

export function responseTooLarge(maxBytes: number): IamError {
  return new IamError('RESPONSE_TOO_LARGE', {
    message: `The response would have more than ${maxBytes} bytes. Request fewer contexts, or add ?include_role_descriptors=false.`,
    resource: 'contexts',
  });
}

function grantedContext(
  granted: GrantedContext,
  { includeRoleDescriptors }: AuthenticationRequest,
): string[] {
  const names = granted.roles.map((role) => asciiJson(role.name));
  const descriptors = granted.roles.flatMap(({ descriptorJson }, index) => [
    `${index === 0 ? '' : ','}${names[index]}:`,
    descriptorJson,
  ]);
  return [
    `{${project(granted.context)},"application_roles":[${names.join(',')}]`,
    ...(includeRoleDescriptors ? [',"role_descriptors":{', ...descriptors, '}'] : []),
    `,"unresolved_application_roles":${asciiJson(granted.unresolved)}}`,
  ];
}

function deniedContext(denied: DeniedContext): string[] {
  return [`{${project(denied.context)},"error":${asciiJson(denialMessage(denied))}}`];
}

function project(context: RequestedContext): string {
  return `"type":"project","project_id":${asciiJson(context.projectId)},"project_type":"${context.projectType}","project_organization_id":${asciiJson(context.organizationId)}`;
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
    const userText = flat(`"user_id":${asciiJson(createdBy)},"credentials":{"id":"`);
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

/** The characters of a JSON string, without its quotation marks. */
function escaped(text: string): string {
  const json = asciiJson(text);
  return json.length === text.length + 2 ? text : flat(json.slice(1, -1));
}

/** Copies a concatenated string, which V8 otherwise keeps as a tree of its pieces. */
function flat(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1');
}
