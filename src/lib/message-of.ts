/**
 * The message of anything thrown, with those of its causes: "fetch failed: connect ECONNREFUSED 127.0.0.1:1". Node tries every
 * address of a host and reports the attempts in an error without a message.
 */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError) return [...new Set(thrown.errors.map(messageOf))].join(', ');
  if (!(thrown instanceof Error)) return String(thrown);
  const message = thrown.message || thrown.name;
  return thrown.cause === undefined ? message : `${message}: ${messageOf(thrown.cause)}`;
}

/** What Postgres suggests about an error, or about one of its causes. */
export function hintOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { hint } = thrown as { hint?: unknown };
  return typeof hint === 'string' && hint !== '' ? hint : hintOf(thrown.cause);
}
