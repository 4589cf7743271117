/** The message of anything thrown. Node tries every address of a host and reports the attempts without a message. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError) return [...new Set(thrown.errors.map(messageOf))].join(', ');
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.message || thrown.name;
}
