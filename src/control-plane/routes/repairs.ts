import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { REPAIRS_PATH } from '../../http/repair-call.ts';
import type { Queries } from '../database.ts';
import type { CallerGate } from '../http/caller-gate.ts';
import { parseInput } from '../input.ts';
import { requestRepairs } from '../repairs/repair-queue.ts';

const buckets = (count: number) =>
  z
    .array(
      z
        .int()
        .min(0)
        .max(count - 1),
    )
    .max(count)
    .default([]);
const requestBody = z.strictObject({ keys: buckets(1_024), roles: buckets(64) });

/**
 * Serves the call with which a region asks for the rows of buckets that differ from the primary. It reads and changes nothing of a
 * tenant, so it has no audit action; a log line says who asked. The publisher of repairs bounds what it can cost.
 */
export function repairRoute(
  app: FastifyInstance,
  { callers, database }: { callers: CallerGate; database: Queries },
): void {
  app.post(
    REPAIRS_PATH,
    {
      onRequest: async (request) => {
        if (request.isRegion) return;
        callers.countAnonymous(request);
        throw new IamError('REGION_UNAUTHENTICATED');
      },
      schema: { hide: true },
    },
    async (request) => {
      const { keys, roles } = parseInput(requestBody, request.body);
      const requested =
        (await requestRepairs(database, 'keys', keys)) + (await requestRepairs(database, 'roles', roles));
      if (requested > 0) {
        request.log.info(
          { region: { ip: request.senderAddress }, buckets: keys.length + roles.length, requested },
          'a region asks for the repair of buckets',
        );
      }
      return { requested };
    },
  );
}
