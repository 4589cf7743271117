/**
<<<<<<< HEAD
 * Patterns that no output may contain. Independent of the redaction of the logger, so that they detect its gaps.
=======
 * Patterns that no output may contain. They are independent of the logger's redaction, so that they also find a gap in it.
>>>>>>> lang-regional
 */
const forbidden: Readonly<Record<string, RegExp>> = {
  'a credential': /[a-z0-9]_[A-Za-z0-9+/]{60,}/,
  'a credential that was encoded twice': /ZXNzd[A-Za-z0-9+/]{60,}/,
  'a secret': /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])/,
  'a hash': /\$argon2(id|i|d)\$/,
  'a password in a URL': /:\/\/[^\s:/@"]*:(?!\[password\])[^\s:/@"]+@/,
  'an Authorization header': /\b(ApiKey|Bearer) (?!\[|<)[A-Za-z0-9+/_=.-]{20,}/,
  'the client secret of the tests': /test-client-secret/,
};

<<<<<<< HEAD
/** Names of the forbidden patterns that a text contains. */
=======
/** Names the forbidden contents of a text; empty if there are none. */
>>>>>>> lang-regional
export function findForbidden(text: string): string[] {
  return Object.entries(forbidden).flatMap(([name, pattern]) => (pattern.test(text) ? [name] : []));
}
