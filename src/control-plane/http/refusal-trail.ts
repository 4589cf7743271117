import type { FastifyRequest } from 'fastify';
import { recordEvent } from '../audit/audit.ts';
import type { AuditAction } from '../audit/audit-event.ts';
import type { Queries } from '../database.ts';
import { actorOf, provenKeyId } from './caller.ts';

/** Which change a request asks for; reading changes nothing. */
function actionOf(method: string, url: string): AuditAction | undefined {
  const [path = ''] = url.split('?', 1);
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (path.includes('/roles/')) return method === 'PUT' ? 'role.put' : 'role.delete';
  if (path.endsWith('/_rotate')) return 'api_key.rotate';
  if (path.endsWith('/_grant')) return 'api_key.grant';
  return method === 'DELETE' ? 'api_key.revoke' : 'api_key.create';
}

/**
 * Puts attempts on record that were refused at the door although it is known whose key it was: expired, revoked, or
 * used from the wrong side. Unknown credentials are counted and logged only: anybody can send them without end.
 */
export class RefusalTrail {
  readonly #database: Queries;

  constructor(database: Queries) {
    this.#database = database;
  }

  async watch<Result>(request: FastifyRequest, authenticate: () => Promise<Result>): Promise<Result> {
    try {
      return await authenticate();
    } catch (error) {
      await this.#record(request, error);
      throw error;
    }
  }

  async #record(request: FastifyRequest, error: unknown): Promise<void> {
    const keyId = provenKeyId(error);
    const action = actionOf(request.method, request.url);
    if (keyId === undefined || action === undefined) return;
    const [owner] = await this.#database.query<{ organization_id: string }>(
      'SELECT organization_id FROM api_keys WHERE id = $1',
      [keyId],
    );
    await recordEvent(this.#database, {
      organizationId: owner?.organization_id ?? null,
      actor: actorOf('key', keyId, request),
      action,
      outcome: 'failure',
      reason: 'root.unauthenticated',
    });
  }
}
