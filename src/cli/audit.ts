import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { AUDIT_ACTIONS } from '../control-plane/audit/audit-event.ts';
import {
  type AuditEventView,
  type AuditPage,
  auditQuerySchema,
  MAX_AUDIT_PAGE,
} from '../control-plane/audit/audit-trail.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { readAudit } from './operations.ts';
import { choice, time, wholeNumber } from './option-values.ts';
import { auditLine } from './output.ts';
import { perform } from './perform.ts';
import { type CommonOptions, run, withExitCodes } from './run.ts';

const POLL_MS = 1_000;

interface AuditFlags extends CommonOptions {
  organization?: string;
  action?: string;
  outcome?: string;
  actor?: string;
  target?: string;
  since?: string;
  until?: string;
  limit?: string;
  follow?: boolean;
}

/** `iam audit` */
export function registerAuditCommand(program: Command): void {
  withExitCodes(program)
    .command('audit')
    .description('Show the audit trail: changes and refused attempts, newest last.')
    .addOption(choice('--action <action>', 'only this action', Object.keys(AUDIT_ACTIONS)))
    .addOption(
      choice('--outcome <outcome>', 'only this outcome', auditQuerySchema.shape.outcome.unwrap().options),
    )
    .option('--actor <id>', 'only events of this key or operator')
    .option('--target <id>', 'only events about this key or role')
    .addOption(
      time('--since <time>', 'only events at or after this time (RFC 3339), or this long ago, such as 7d'),
    )
    .addOption(time('--until <time>', 'only events before this time (RFC 3339), or this long ago'))
    .addOption(
      wholeNumber('--limit <count>', `number of the newest events to show, at most ${MAX_AUDIT_PAGE}`, {
        min: 1,
        max: MAX_AUDIT_PAGE,
      }).default('100'),
    )
    .option('--follow', 'wait for new events and show them')
    .option('--organization <id>', 'organization (default: the only one)')
    .option('--json', 'print JSON; with --follow, one event per line')
    .addHelpText(
      'after',
      `
Examples:
  iam audit --outcome failure --since 24h
  iam audit --action api_key.revoke --since 2026-01-01T00:00:00Z
  iam audit --target 0b6Q5cQ3QRCz7afNV5UsIA --follow
${exitCodeHelp}`,
    )
    .action(async (flags: AuditFlags) => {
      if (flags.follow === true) return follow(flags);
      await run(flags, () => read(flags, flags.limit ?? '100'), auditText);
    });
}

function auditText({ events, next }: AuditPage): string {
  if (events.length === 0) return 'no events';
  return [
    ...(next === undefined ? [] : ['(older events exist: use --limit, --since or --until)']),
    ...events.toReversed().map(auditLine),
  ].join('\n');
}

function read(flags: AuditFlags, limit: string): Promise<AuditPage> {
  const query = {
    action: flags.action,
    outcome: flags.outcome,
    actor_id: flags.actor,
    target_id: flags.target,
    since: flags.since,
    until: flags.until,
    limit,
  };
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return perform(readAudit, flags.organization, Object.fromEntries(given));
}

/** Prints events until it is interrupted or a read fails. */
async function follow(flags: AuditFlags): Promise<void> {
  const print = (event: AuditEventView) =>
    process.stdout.write(`${flags.json === true ? JSON.stringify(event) : auditLine(event)}\n`);
  let last: bigint | undefined;
  await run(
    { json: flags.json === true },
    async (): Promise<never> => {
      for (;;) {
        const { events } = await read(
          flags,
          last === undefined ? (flags.limit ?? '100') : String(MAX_AUDIT_PAGE),
        );
        for (const event of events.toReversed()) {
          const id = BigInt(event.id);
          if (last !== undefined && id <= last) continue;
          print(event);
          last = id;
        }
        last ??= 0n;
        await sleep(POLL_MS);
      }
    },
    () => '',
  );
}
