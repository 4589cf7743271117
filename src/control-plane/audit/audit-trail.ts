import { z } from 'zod';
import type { Queries } from '../database.ts';
import { parseInput } from '../input.ts';

export const MAX_AUDIT_PAGE = 500;

const MIN_TIME_MS = Date.parse('0001-01-01T00:00:00Z');
const MAX_TIME_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** Postgres has no year 0, and the format of the API has no year 10000. */
const time = z.iso.datetime({ offset: true }).refine(
  (text) => {
    const timeMs = Date.parse(text);
    return timeMs >= MIN_TIME_MS && timeMs <= MAX_TIME_MS;
  },
  { message: 'must be between the years 0001 and 9999 in UTC' },
);

/** Query of `GET /audit`. */
export const auditQuerySchema = z.object({
  action: z.string().max(64).optional().describe('Action, such as api_key.rotate.'),
  outcome: z.enum(['success', 'failure']).optional().describe('Only changes, or only refused attempts.'),
  actor_id: z.string().max(512).optional().describe('Id of the actor: a key id, or the name of an operator.'),
  target_id: z.string().max(1_024).optional().describe('Id of the target: a key id, or type/project/role.'),
  since: time.optional().describe('Only events at or after this time.'),
  until: time.optional().describe('Only events before this time.'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_AUDIT_PAGE)
    .default(100)
    .describe('Maximum number of events per page.'),
  after: z
    .string()
    .regex(/^\d{1,18}$/, 'must be the "next" value of the previous page')
    .optional()
    .describe('The "next" value of the previous page.'),
});

const auditEventSchema = z
  .object({
    id: z.string(),
    at: z.iso.datetime(),
    actor: z.object({ type: z.string(), id: z.string() }),
    action: z.string(),
    outcome: z.enum(['success', 'failure']),
    target: z.object({ type: z.string(), id: z.string().nullable() }).nullable(),
    source_ip: z.string().nullable(),
    request_id: z.string().nullable(),
    reason: z.string().nullable().describe('Error code of a refusal.'),
    count: z.number().int().describe('Number of refusals in a minute that this event stands for.'),
    targets: z
      .array(z.string())
      .nullable()
      .describe('Ids of the targets, if this event stands for refusals with different targets or requests.'),
    targets_omitted: z.number().int().nullable().describe('Number of further targets.'),
    requested: z.unknown().describe('What a refused caller sent, without anything that could be a secret.'),
    before: z.unknown(),
    after: z.unknown(),
  })
  .describe('Actor, action, source, and the state before and after the change. Never contains a secret.');

export const auditPageSchema = z.object({
  events: z.array(auditEventSchema),
  next: z.string().optional().describe('Pass as "after" to get the next page. Absent on the last page.'),
});

export type AuditEventView = z.input<typeof auditEventSchema>;
export type AuditPage = z.input<typeof auditPageSchema>;

interface Row {
  id: string;
  at: Date;
  actor_type: string;
  actor_id: string;
  action: string;
  outcome: 'success' | 'failure';
  target_type: string | null;
  target_id: string | null;
  source_ip: string | null;
  request_id: string | null;
  reason: string | null;
  count: number;
  targets: string[] | null;
  targets_omitted: number | null;
  requested: unknown;
  before: unknown;
  after: unknown;
}

/** Lists the events of an organization, newest first. @param query unvalidated */
export async function readTrail(on: Queries, organizationId: string, query: unknown): Promise<AuditPage> {
  const filter = parseInput(auditQuerySchema, query, 'AUDIT_INVALID');
  const rows = await on.query<Row>(
    // Qualified: a bare name would be the text of the SELECT list, which sorts 999 before 1000.
    `SELECT audit_events.id::text, at, actor_type, actor_id, action, outcome, target_type, target_id, source_ip, request_id,
       reason, count, targets, targets_omitted, requested, before, after
     FROM audit_events
     WHERE organization_id = $1
       AND ($2::text IS NULL OR action = $2) AND ($3::text IS NULL OR outcome = $3)
       AND ($4::text IS NULL OR actor_id = $4) AND ($5::text IS NULL OR target_id = $5 OR $5 = ANY (targets)
         OR (action = 'api_key.revoke' AND requested->'keys' ? $5))
       AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
       AND ($8::bigint IS NULL OR audit_events.id < $8)
     ORDER BY audit_events.id DESC LIMIT $9`,
    [
      organizationId,
      filter.action ?? null,
      filter.outcome ?? null,
      filter.actor_id ?? null,
      filter.target_id ?? null,
      inUtc(filter.since),
      inUtc(filter.until),
      filter.after ?? null,
      filter.limit + 1,
    ],
  );
  const page = rows.slice(0, filter.limit);
  const last = page.at(-1);
  return {
    events: page.map(view),
    ...(rows.length > filter.limit && last !== undefined && { next: last.id }),
  };
}

/** Postgres refuses an offset of 16 hours or more. */
function inUtc(time: string | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}

function view(row: Row): AuditPage['events'][number] {
  return {
    id: row.id,
    at: row.at.toISOString(),
    actor: { type: row.actor_type, id: row.actor_id },
    action: row.action,
    outcome: row.outcome,
    target: row.target_type === null ? null : { type: row.target_type, id: row.target_id },
    source_ip: row.source_ip,
    request_id: row.request_id,
    reason: row.reason,
    count: row.count,
    targets: row.targets,
    targets_omitted: row.targets_omitted,
    requested: row.requested,
    before: row.before,
    after: row.after,
  };
}
