import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { IamError } from '../../errors.ts';
import type { AuditAction, AuditEvent } from '../audit/audit-event.ts';
import type { RefusalCounter } from '../audit/refusal-counter.ts';
import { requestedView, storableId } from '../audit/requested-view.ts';
import type { Queries } from '../database.ts';
import { actorOf, principalOf, verifiedKeyId } from './caller.ts';

/** What the audit trail records about a route: the configuration `audit` of the route. */
export interface AuditedCall {
  action: AuditAction;
  targetType: NonNullable<AuditEvent['targetType']>;
  /** Names the target, from the path. */
  targetId?: (params: never) => string;
}

/**
 * Records refused requests of known keys: the secret was valid. Unknown credentials are only counted and logged, because
 * anyone can send an unlimited number of them.
 */
export class RefusalTrail {
  readonly #database: Queries;
  readonly #counter: RefusalCounter;

  constructor(database: Queries, counter: RefusalCounter) {
    this.#database = database;
    this.#counter = counter;
  }

  /** Records the refusal of a request. Ignores unknown callers and failures of the service. */
  async record(request: FastifyRequest, error: IamError): Promise<void> {
    const call = request.routeOptions.config.audit;
    const { status } = error.cloud;
    if (call === undefined || status >= 500) return;
    // A read of something that does not exist is no attempt to get at it.
    if (request.method === 'GET' && status !== 401 && status !== 403) return;
    const caller = await this.#callerOf(request, error);
    if (caller === undefined) return;
    const { params, query, body } = request;
    await this.#counter.record({
      ...caller,
      action: call.action,
      outcome: 'failure',
      targetType: call.targetType,
      targetId: call.targetId && storableId(call.targetId(params as never)),
      reason: error.cloud.code,
      requested: requestedView(body ?? (Object.keys(query as object).length > 0 ? query : undefined)),
    });
  }

  /** The key that sent a request: authenticated, or with a valid secret but expired, revoked or without its client authentication. */
  async #callerOf(
    request: FastifyRequest,
    error: IamError,
  ): Promise<Pick<AuditEvent, 'actor' | 'organizationId'> | undefined> {
    if (request.caller !== undefined) {
      const { actor, organizationId } = principalOf(request.caller, request);
      return { actor, organizationId };
    }
    const keyId = verifiedKeyId(error);
    if (keyId === undefined) return undefined;
    const [key] = await this.#database.query<{ organization_id: string }>(
      'SELECT organization_id FROM api_keys WHERE id = $1',
      [keyId],
    );
    return { actor: actorOf('key', keyId, request), organizationId: key?.organization_id ?? null };
  }
}

/** Fails the start if the refusals of a route would not be recorded. */
export function requireAuditAction(api: FastifyInstance): void {
  api.addHook('onRoute', ({ method, url, config }) => {
    if (config?.audit === undefined && config?.allow === undefined)
      throw new Error(`${method} ${url} declares no audit action`);
  });
}
