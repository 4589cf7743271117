import type { FastifyRequest } from 'fastify';
import { recordEvent } from '../audit/record-event.ts';
import type { Queries } from '../database.ts';
import { actorOf, verifiedKeyId } from './caller.ts';

/**
 * Records changes that fail at authentication although the secret was valid: the key is expired or revoked, or its client
 * authentication is wrong. Unknown credentials are only counted and logged, because anyone can send an unlimited number of them.
 */
export class RefusalTrail {
  readonly #database: Queries;

  constructor(database: Queries) {
    this.#database = database;
  }

  /** Runs `authenticate` and records its failure if the route changes something. */
  async recordFailure<Result>(request: FastifyRequest, authenticate: () => Promise<Result>): Promise<Result> {
    try {
      return await authenticate();
    } catch (error) {
      await this.#record(request, error);
      throw error;
    }
  }

  async #record(request: FastifyRequest, error: unknown): Promise<void> {
    const keyId = verifiedKeyId(error);
    const action = request.routeOptions.config.audit;
    if (keyId === undefined || action === undefined) return;
    const [key] = await this.#database.query<{ organization_id: string }>(
      'SELECT organization_id FROM api_keys WHERE id = $1',
      [keyId],
    );
    await recordEvent(this.#database, {
      organizationId: key?.organization_id ?? null,
      actor: actorOf('key', keyId, request),
      action,
      outcome: 'failure',
      reason: 'root.unauthenticated',
    });
  }
}
