import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { toIamError } from '../../http/error-rendering.ts';
import { predefinedRoles } from '../../roles/predefined.ts';
import { checkRoleDescriptor, type RoleDescriptor } from '../../roles/role-descriptor.ts';
import { PatternBudget } from '../../roles/role-descriptor-rules.ts';
import type { RefusalCounter } from '../audit/refusal-counter.ts';
import { storableId } from '../audit/requested-view.ts';
import { parseInput, unstorable } from '../input.ts';
import { MAX_DESCRIPTION_CHARS } from '../keys/create-key.ts';
import { generateSecret } from '../keys/generate-secret.ts';
import { issueKey } from '../keys/issue-key.ts';
import type { LifecycleDeps } from '../keys/lifecycle-deps.ts';
import { assertWithinQuota } from '../keys/quota.ts';
import { lockOrganization } from '../organizations/organizations.ts';
import type { Actor, Principal } from '../principal.ts';
import { putRole } from '../roles/custom-roles.ts';
import { effectiveDescriptors } from './effective-descriptors.ts';
import { type EndpointProject, originOf } from './endpoints.ts';
import { type NativeKey, readNativeKey } from './native-key.ts';

const MAX_KEYS = 1_000;
const CONCURRENCY = 8;
/** Keys that cannot be started in this time fail, so that the response arrives before clients give up. */
const MAX_DURATION_MS = 45_000;

const TOO_LATE = 'The call took too long before this key was converted. Send the key again.';

/** Postgres stores later times, but the format of the API (RFC 3339) has no year 10000. */
const MAX_EXPIRATION_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** Realms whose users exist in one cluster only. */
const LOCAL_REALMS: ReadonlySet<string> = new Set([
  'file',
  'native',
  'reserved',
  '_service_account',
  '_es_api_key',
]);

/** Body of `POST /uiam/api/v1/api-keys/_convert`. */
export const convertKeysSchema = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        type: z.literal('elasticsearch'),
        key: z.string().min(1).max(1_024).describe('Native key in its encoded form: base64 of id:secret.'),
        endpoint: z.string().max(2_048).describe('Origin of the Elasticsearch endpoint that issued the key.'),
      }),
    )
    .min(1)
    .max(MAX_KEYS, `must name at most ${MAX_KEYS} keys`),
});

type Conversion = z.output<typeof convertKeysSchema>['keys'][number];

const failedSchema = z.object({
  status: z.literal('failed'),
  code: z.string(),
  message: z.string(),
  resource: z.string().nullable(),
  type: z.string(),
});
const convertedSchema = z.object({
  status: z.literal('success'),
  id: z.string(),
  key: z.string(),
  description: z.string(),
  organization_id: z.string(),
  internal: z.boolean(),
  role_assignments: z.unknown(),
  creation_date: z.string(),
  expiration_date: z.string().nullable(),
});
export const convertResponseSchema = z.object({
  results: z.array(z.discriminatedUnion('status', [convertedSchema, failedSchema])),
});

type Result = z.output<typeof convertResponseSchema>['results'][number];

/** Converts native keys to internal unified keys with the same permissions. Each key succeeds or fails independently. */
export class KeyConversion {
  readonly #deps: LifecycleDeps;
  readonly #endpoints: ReadonlyMap<string, EndpointProject>;
  readonly #refusals: RefusalCounter;

  constructor(
    deps: LifecycleDeps,
    endpoints: ReadonlyMap<string, EndpointProject>,
    refusals: RefusalCounter,
  ) {
    this.#deps = deps;
    this.#endpoints = endpoints;
    this.#refusals = refusals;
  }

  /** @param input unvalidated @returns results in the order of the input */
  async convert(actor: Actor, input: unknown): Promise<{ results: Result[] }> {
    const { keys } = parseInput(convertKeysSchema, input);
    const deadlineMs = this.#deps.now() + MAX_DURATION_MS;
    const results: Result[] = Array(keys.length);
    const queue = keys.entries();
    const worker = async () => {
      for (const [index, key] of queue) results[index] = await this.#settle(actor, key, deadlineMs);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return { results };
  }

  async #settle(actor: Actor, request: Conversion, deadlineMs: number): Promise<Result> {
    try {
      if (this.#deps.now() > deadlineMs) throw new IamError('CONVERSION_UNAVAILABLE', { message: TOO_LATE });
      return await this.#convertOne(actor, request);
    } catch (thrown) {
      const error = toIamError(thrown);
      await this.#recordFailure(actor, request, error);
      return {
        status: 'failed',
        code: error.uiam.code,
        message: error.message,
        resource: error.resource,
        type: error.uiam.type,
      };
    }
  }

  async #recordFailure(actor: Actor, request: Conversion, error: IamError): Promise<void> {
    const project = this.#projectOf(request);
    await this.#refusals.record({
      organizationId: project?.organizationId ?? null,
      actor,
      action: 'api_key.convert',
      outcome: 'failure',
      targetType: 'native_api_key',
      targetId: nativeIdOf(request.key),
      reason: error.uiam.code,
      requested: { endpoint: storableId(request.endpoint) },
    });
  }

  #projectOf({ endpoint }: Conversion): EndpointProject | undefined {
    return this.#endpoints.get(originOf(endpoint) ?? '');
  }

  async #convertOne(actor: Actor, request: Conversion): Promise<Result> {
    const project = this.#projectOf(request);
    if (project === undefined) throw new IamError('CONVERSION_ENDPOINT');
    const native = await readNativeKey(project.origin, request.key);
    const nowMs = this.#deps.now();
    assertConvertible(native, nowMs);
    const descriptors = permissionsOf(native);
    const principal: Principal = {
      actor,
      organizationId: project.organizationId,
      userId: native.username,
    };
    const secret = await generateSecret(this.#deps);
    const key = await this.#deps.database.transactionOf(project.organizationId, async (transaction) => {
      const organization = await lockOrganization(transaction, project.organizationId);
      await assertWithinQuota(transaction, this.#deps, organization, { internal: true });
      const roles: string[] = [];
      for (const [index, descriptor] of descriptors.entries()) {
        const known = predefinedRoles.find(
          (role) => role.projectType === project.projectType && samePermissions(role.descriptor, descriptor),
        );
        const name = known?.name ?? `converted-${native.id}-${index}`;
        if (known === undefined) {
          await putRole(transaction, this.#deps.roleLimits, principal, project, { name, descriptor });
        }
        roles.push(name);
      }
      return issueKey(transaction, this.#deps, principal, {
        secret,
        description: descriptionOf(native),
        internal: true,
        assignments: {
          project: {
            [project.projectType]: [
              {
                role_id: `${project.projectType}-application-only`,
                organization_id: project.organizationId,
                all: false,
                project_ids: [project.projectId],
                application_roles: roles,
              },
            ],
          },
        },
        expiresAtMs: native.expiration ?? null,
        nowMs,
        action: 'api_key.convert',
      });
    });
    return {
      status: 'success',
      id: key.id,
      key: key.key,
      description: key.description,
      organization_id: key.organization_id,
      internal: key.internal,
      role_assignments: key.role_assignments,
      creation_date: key.creation_date,
      expiration_date: key.expiration_date ?? null,
    };
  }
}

function descriptionOf({ id, name }: NativeKey): string {
  if (!name?.trim()) return `converted from ${id}`;
  // The end of the text may be half of a surrogate pair.
  return name.slice(0, MAX_DESCRIPTION_CHARS).replace(/[\ud800-\udbff]$/, '');
}

function assertConvertible(native: NativeKey, nowMs: number): void {
  if (native.invalidated === true) throw new IamError('CONVERSION_KEY');
  if (unstorable(native).length > 0) {
    throw new IamError('CONVERSION_RIGHTS', {
      message: 'The definition of the native API key contains a character that cannot be stored.',
    });
  }
  if (native.expiration != null && native.expiration <= nowMs) throw new IamError('CONVERSION_KEY');
  if (native.expiration != null && native.expiration > MAX_EXPIRATION_MS) {
    throw new IamError('CONVERSION_KEY', {
      message: 'The native API key expires after the year 9999. Set an earlier expiration.',
    });
  }
  if (native.realm_type != null && LOCAL_REALMS.has(native.realm_type)) {
    throw new IamError('CONVERSION_CREATOR');
  }
}

/** @throws {IamError} when role descriptors of a serverless project cannot express the permissions */
function permissionsOf(native: NativeKey): readonly RoleDescriptor[] {
  const [limitedBy, ...others] = native.limited_by ?? [];
  if (others.length > 0) {
    throw new IamError('CONVERSION_RIGHTS', {
      message:
        'The native API key has several sets of limits (limited_by). Role descriptors cannot express their intersection.',
    });
  }
  const limits = Object.values(limitedBy ?? {});
  if (limits.length === 0) throw new IamError('CONVERSION_RIGHTS');
  const own = Object.values(native.role_descriptors ?? {});
  // A native key has as many descriptors as its creator likes; together they get the work of one.
  const budget = new PatternBudget();
  const effective = effectiveDescriptors(
    own.map((descriptor) => readDescriptor(descriptor, budget)),
    limits.map((limit) => readDescriptor(own.length === 0 ? limit : withoutUnused(limit), budget)),
  );
  if (effective === undefined) throw new IamError('CONVERSION_RIGHTS');
  return effective;
}

/**
 * Drops what a limit allows and no own descriptor can use, because no project role has it. The role superuser of
 * Elasticsearch has both.
 */
function withoutUnused({ run_as: _runAs, global: _global, ...limit }: Record<string, unknown>) {
  return limit;
}

/** Drops the metadata: Elasticsearch writes reserved fields into it that a custom role must not have. */
function readDescriptor(
  { metadata: _metadata, ...descriptor }: Record<string, unknown>,
  budget: PatternBudget,
): RoleDescriptor {
  const read = checkRoleDescriptor(descriptor, { budget });
  if (read.ok) return read.descriptor;
  const [first] = read.violations;
  throw new IamError('CONVERSION_RIGHTS', {
    message: `A role of a project cannot have the permissions of the native API key: ${first?.path} ${first?.message}.`,
  });
}

function samePermissions(one: RoleDescriptor, other: RoleDescriptor): boolean {
  const { metadata: _one, description: _first, ...left } = one;
  const { metadata: _other, description: _second, ...right } = other;
  return isDeepStrictEqual(left, right);
}

/** The id in an encoded native key: base64 of a 20-character id, a colon and the secret. */
function nativeIdOf(key: string): string | undefined {
  return /^[\w-]{20}(?=:)/.exec(Buffer.from(key, 'base64').toString('latin1'))?.[0];
}
