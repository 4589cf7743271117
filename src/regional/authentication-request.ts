import { parse as parseQuery } from 'node:querystring';
import { z } from 'zod';
import { IamError } from '../errors.ts';
import { canonicalProjectType, PROJECT_TYPES, type ProjectType } from '../roles/project-type.ts';

/** A project that the caller wants the key evaluated for. */
export interface RequestedContext {
  projectId: string;
  projectType: ProjectType;
  organizationId: string;
}

/** What one `_authenticate` call asks, beside the credential. */
export interface AuthenticationRequest {
  /** `undefined`: no context was asked for. */
  contexts: readonly RequestedContext[] | undefined;
  includeRoleAssignments: boolean;
  includeRoleDescriptors: boolean;
}

/** Most contexts one call may name. */
export const MAX_CONTEXTS = 1_000;

const name = z.string().min(1).max(256);

const contextSchema = z.object({
  type: z.literal('project').describe('Only projects are known.'),
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
    .describe('Projects to evaluate the key for.'),
});

const flag = z.enum(['true', 'false']).optional();

/** Query string of `_authenticate`. */
export const querySchema = z.object({
  include_token: flag.describe('Ask for a token; answered with null for now.'),
  include_role_assignments: flag.describe('Answer the raw role assignments of the key too.'),
  include_role_descriptors: flag.describe('false leaves role descriptors out of the contexts. Default true.'),
  audience: z.string().max(2_048).optional().describe('URL the token would be meant for.'),
});

/**
 * Reads the query and the body of a call.
 * @param rawQuery query string as it was sent
 * @param body raw bytes; `undefined` or empty when there is none
 * @throws {IamError} 400 whose resource is the path of the first thing that is wrong
 */
export function parseAuthenticationRequest(
  rawQuery: string,
  body: Uint8Array | undefined,
): AuthenticationRequest {
  const flags = check(querySchema, { ...parseQuery(rawQuery) });
  const { contexts } =
    body === undefined || body.length === 0 ? { contexts: undefined } : check(bodySchema, json(body));
  return {
    contexts: contexts?.map(requestedContext),
    includeRoleAssignments: flags.include_role_assignments === 'true',
    includeRoleDescriptors: flags.include_role_descriptors !== 'false',
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
