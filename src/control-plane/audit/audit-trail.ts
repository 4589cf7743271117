import { z } from 'zod';
import { violationsError } from '../../errors.ts';
import { parseOrViolations } from '../../roles/violation.ts';
import type { Queries } from '../database.ts';
import { unstorable } from '../storable.ts';

const MAX_PAGE = 500;

/** Query of `GET /audit`. */
export const auditQuerySchema = z.object({
  action: z.string().max(64).optional().describe('Such as api_key.rotate.'),
  outcome: z.enum(['success', 'failure']).optional(),
  actor_id: z.string().max(512).optional().describe('Who did it: a key id, or the name of an operator.'),
  target_id: z
    .string()
    .max(1_024)
    .optional()
    .describe('What it was done to: a key id, or type/project/role.'),
  since: z.iso.datetime({ offset: true }).optional().describe('Not before this time.'),
  until: z.iso.datetime({ offset: true }).optional().describe('Before this time.'),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
  after: z
    .string()
    .regex(/^\d{1,18}$/, 'must be the "next" of the page before')
    .optional()
    .describe('Id of the last event of the page before.'),
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
    reason: z.string().nullable().describe('Code of the refusal.'),
    before: z.unknown(),
    after: z.unknown(),
  })
  .describe('Who did what, from where, and what was before and after. Never a secret.');

export const auditPageSchema = z.object({
  events: z.array(auditEventSchema),
  next: z.string().optional().describe('Pass as "after" for the next page; absent on the last one.'),
});

type AuditPage = z.input<typeof auditPageSchema>;

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
  before: unknown;
  after: unknown;
}

/** Events of an organization, newest first. @param query unchecked */
export async function readTrail(on: Queries, organizationId: string, query: unknown): Promise<AuditPage> {
  const parsed = parseOrViolations(auditQuerySchema, query);
  if (!parsed.ok) throw violationsError('AUDIT_INVALID', parsed.violations);
  const violations = unstorable(query);
  if (violations.length > 0) throw violationsError('AUDIT_INVALID', violations);
  const asked = parsed.value;
  const rows = await on.query<Row>(
    `SELECT id::text, at, actor_type, actor_id, action, outcome, target_type, target_id, source_ip, request_id,
       reason, before, after
     FROM audit_events
     WHERE organization_id = $1
       AND ($2::text IS NULL OR action = $2) AND ($3::text IS NULL OR outcome = $3)
       AND ($4::text IS NULL OR actor_id = $4) AND ($5::text IS NULL OR target_id = $5)
       AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
       AND ($8::bigint IS NULL OR id < $8)
     ORDER BY id DESC LIMIT $9`,
    [
      organizationId,
      asked.action ?? null,
      asked.outcome ?? null,
      asked.actor_id ?? null,
      asked.target_id ?? null,
      asked.since ?? null,
      asked.until ?? null,
      asked.after ?? null,
      asked.limit + 1,
    ],
  );
  const page = rows.slice(0, asked.limit);
  const last = page.at(-1);
  return {
    events: page.map(view),
    ...(rows.length > asked.limit && last !== undefined && { next: last.id }),
  };
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
    before: row.before,
    after: row.after,
  };
}
