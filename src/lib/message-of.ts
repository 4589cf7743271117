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
