/**
 * Patterns that no output may contain. They are independent of the logger's redaction, so that they also find a gap in it.
 */
const forbidden: Readonly<Record<string, RegExp>> = {
  'a credential': /[a-z0-9]_[A-Za-z0-9+/]{60,}/,
  'a doubly encoded credential': /ZXNzd[A-Za-z0-9+/]{60,}/,
  'a secret': /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])/,
  'a hash': /\$argon2(id|i|d)\$/,
  'a password in a URL': /:\/\/[^\s:/@"]*:(?!\[password\])[^\s:/@"]+@/,
  'an Authorization header': /\b(ApiKey|Bearer) (?!\[|<)[A-Za-z0-9+/_=.-]{20,}/,
  'the client secret of the tests': /test-client-secret/,
};

/** Names the forbidden contents of a text; empty if there are none. */
export function findForbidden(text: string): string[] {
  return Object.entries(forbidden).flatMap(([name, pattern]) => (pattern.test(text) ? [name] : []));
}
