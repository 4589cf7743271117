/** What the API calls a thing, and what the command line calls it. */
const TERMS: readonly (readonly [api: RegExp, cli: string])[] = [
  [/\?force=true/g, '--force'],
  [/with an "expiration"/g, 'with --expires'],
  [/, with the same Idempotency-Key/g, ''],
  [/\bgrace_period:/g, '--grace:'],
  [/\bexpiration:/g, '--expires:'],
  [/\bexpiring_within:/g, '--expiring-within:'],
  [/\brole_assignments\b/g, 'the permissions'],
];

/** Rewrites a message of the API for people who use the command line. */
export function inCliTerms(message: string): string {
  return TERMS.reduce((text, [api, cli]) => text.replace(api, cli), message);
}
