import { parse as parseQuery } from 'node:querystring';
import { z } from 'zod';
import { IamError } from '../errors.ts';
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
  /** Whether the caller requests a token, which only a caller without a key needs. */
  wantsToken: boolean;
}

/** Maximum number of contexts per call. */
export const MAX_CONTEXTS = 1_000;

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

/** Body of `_authenticate`; it may be absent. */
export const bodySchema = z.object({
  contexts: z
    .array(contextSchema)
    .max(MAX_CONTEXTS, `at most ${MAX_CONTEXTS} contexts`)
    .nullish()
    .describe('Projects for which the key is evaluated.'),
});

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
  // Without the default limit of keys: a flag behind a thousand others would have no effect.
  const flags = check(querySchema, { ...parseQuery(rawQuery, '&', '=', { maxKeys: 0 }) });
  const { contexts } =
    body === undefined || body.length === 0 ? { contexts: undefined } : check(bodySchema, json(body));
  return {
    contexts: contexts?.map(requestedContext),
    includeRoleAssignments: flags.include_role_assignments === 'true',
    includeRoleDescriptors: flags.include_role_descriptors !== 'false',
    wantsToken: flags.include_token === 'true' || flags.audience !== undefined,
  };
}

function requestedContext(context: z.infer<typeof contextSchema>, index: number): RequestedContext {
  const projectType = canonicalProjectType(context.project_type);
  if (projectType === undefined) {
    throw invalid(`contexts[${index}].project_type`, `must be one of ${PROJECT_TYPES.join(', ')}`);
  }
  return { projectId: context.project_id, projectType, organizationId: context.project_organization_id };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function json(body: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(body));
  } catch {
    throw new IamError('REQUEST_INVALID', { message: 'The request body is not valid JSON.' });
  }
}

function check<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw invalid(path(issue?.path ?? []), issue?.message ?? 'is not valid');
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
