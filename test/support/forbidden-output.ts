/**
 * What no output of ours may hold. Written without a look at the redaction of the logger, so that a hole there is
 * found here.
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

/** Names what a text must not hold and does; empty when it is clean. */
export function findForbidden(text: string): string[] {
  return Object.entries(forbidden).flatMap(([name, pattern]) => (pattern.test(text) ? [name] : []));
}
