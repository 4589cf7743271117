import { parse as parseQuery } from 'node:querystring';
import { z } from 'zod';
import { IamError } from '../errors.ts';
import { hasMoreValues } from '../lib/json-values.ts';
import { canonicalProjectType, PROJECT_TYPES, type ProjectType } from '../roles/project-type.ts';

/** A project for which the key is evaluated. */
export interface RequestedContext {
  projectId: string;
  projectType: ProjectType;
  organizationId: string;
}

/** Parsed query and body of one `_authenticate` call. */
export interface AuthenticationRequest {
  /** `undefined` when the body has no contexts. */
  contexts: readonly RequestedContext[] | undefined;
  includeRoleAssignments: boolean;
  includeRoleDescriptors: boolean;
}

/** Maximum number of contexts per call. */
export const MAX_CONTEXTS = 1_000;

/**
 * Maximum size of a body. With two ids of 256 ASCII characters, the project type `elasticsearch_general_purpose` and no space, a
 * context takes 622 bytes and a comma, and 1,000 of them 623,014 bytes. The rest is for formatted JSON.
 */
export const MAX_BODY_BYTES = 655_360;

/**
 * Maximum number of values in a body. 1,000 contexts need 5,002; the rest is for three more fields of newer clients. Without this bound,
 * `JSON.parse` needs ten times as long for half a million nested or empty lists as for contexts of the same size.
 */
export const MAX_VALUES = 8_192;

/** Postgres refuses a null character, and with it the statement that other requests share. */
const name = z
  .string()
  .min(1)
  .max(256)
  .refine((text) => !text.includes('\0'), 'must not contain a null character');

const contextSchema = z.object({
  type: z.literal('project').describe('Only "project" is supported.'),
  project_id: name,
  project_type: z
    .string()
    .describe(`One of ${PROJECT_TYPES.join(', ')}; elasticsearch_<flavour> means elasticsearch.`),
  project_organization_id: name,
});

const bodyOf = <Context extends z.ZodType>(context: Context) =>
  z.object({
    contexts: z
      .array(context)
      .max(MAX_CONTEXTS, `at most ${MAX_CONTEXTS} contexts`)
      .nullish()
      .describe('Projects for which the key is evaluated.'),
  });

/** Body of `_authenticate`; it may be absent. */
export const bodySchema = bodyOf(contextSchema);

/** The list is checked before its elements, and these one by one: a schema of the whole would collect the problems of all. */
const unreadBodySchema = bodyOf(z.unknown());

const flag = z.enum(['true', 'false']).optional();

/** Query string of `_authenticate`. */
export const querySchema = z.object({
  include_token: flag.describe(
    'Request a token. Tokens are not issued yet: the response has null, and a call without Authorization gets 400.',
  ),
  include_role_assignments: flag.describe('Include the raw role assignments of the key.'),
  include_role_descriptors: flag.describe(
    'false omits the role descriptors from the contexts. Default true.',
  ),
  audience: z.string().max(2_048).optional().describe('Intended audience of the token, a URL.'),
});

/**
 * @param rawQuery raw query string
 * @param body raw bytes; `undefined` or empty when there is none
 * @throws {IamError} 400 whose resource is the path of the first invalid field
 */
export function parseAuthenticationRequest(
  rawQuery: string,
  body: Uint8Array | undefined,
): AuthenticationRequest {
  const flags = parseFlags(rawQuery);
  const { contexts } =
    body === undefined || body.length === 0
      ? { contexts: undefined }
      : check(unreadBodySchema, json(body), []);
  return {
    contexts: contexts?.map(requestedContext),
    includeRoleAssignments: flags.include_role_assignments === 'true',
    includeRoleDescriptors: flags.include_role_descriptors !== 'false',
  };
}

/** Whether the caller requests a token, which only a caller without a key needs. @throws {IamError} 400 for an invalid query */
export function wantsToken(rawQuery: string): boolean {
  const { include_token, audience } = parseFlags(rawQuery);
  return include_token === 'true' || audience !== undefined;
}

function parseFlags(rawQuery: string): z.infer<typeof querySchema> {
  // Without the default limit of keys: a flag behind a thousand others would have no effect.
  return check(querySchema, { ...parseQuery(rawQuery, '&', '=', { maxKeys: 0 }) }, []);
}

function requestedContext(unread: unknown, index: number): RequestedContext {
  const at = ['contexts', index];
  const context = check(contextSchema, unread, at);
  const projectType = canonicalProjectType(context.project_type);
  if (projectType === undefined) {
    throw invalid(path([...at, 'project_type']), `must be one of ${PROJECT_TYPES.join(', ')}`);
  }
  return { projectId: context.project_id, projectType, organizationId: context.project_organization_id };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function json(body: Uint8Array): unknown {
  if (body.length > MAX_VALUES && hasMoreValues(body, MAX_VALUES))
    throw invalid('body', `at most ${MAX_VALUES} values`);
  try {
    return JSON.parse(utf8.decode(body));
  } catch {
    throw new IamError('REQUEST_INVALID', { message: 'The request body is not valid JSON.' });
  }
}

/** @param at path of the input in the request */
function check<T>(schema: z.ZodType<T>, input: unknown, at: readonly PropertyKey[]): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw invalid(path([...at, ...(issue?.path ?? [])]), issue?.message ?? 'is not valid');
}

function invalid(resource: string, message: string): IamError {
  return new IamError('REQUEST_INVALID', {
    message: `${resource || 'body'}: ${message}`,
    resource: resource || 'body',
  });
}

function path(parts: readonly PropertyKey[]): string {
  return parts
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${String(part)}`))
    .join('');
}
