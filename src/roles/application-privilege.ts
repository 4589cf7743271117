/*
 * The grammar of application privileges. Source: `ApplicationPrivilege` of Elasticsearch, and `Strings.validFileName` for
 * the suffix.
 */

const PREFIX = /^[a-z][A-Za-z0-9]*$/;
const MIN_PREFIX_CHARS = 3;
const NO_FILE_NAME = /[\\/*?"<>| ,]/;
const VISIBLE_ASCII = /^[!-~]*$/;

/** Returns why this is no application name or trailing wildcard; `undefined` if it is. */
export function applicationNameProblem(name: string): string | undefined {
  if (name === '*') return undefined;
  if (/\s/.test(name)) return 'must not contain white space';
  const wildcard = name.endsWith('*');
  const withoutWildcard = wildcard ? name.slice(0, -1) : name;
  if (withoutWildcard.includes('*')) return 'may have "*" only at its end';
  const separator = withoutWildcard.search(/[_-]/);
  const prefix = separator < 0 ? withoutWildcard : withoutWildcard.slice(0, separator);
  if (!PREFIX.test(prefix))
    return 'must start with a lowercase letter, followed by letters and digits up to "-" or "_"';
  if (prefix.length < MIN_PREFIX_CHARS && !wildcard)
    return `must have at least ${MIN_PREFIX_CHARS} characters before "-" or "_"`;
  const suffix = separator < 0 ? '' : withoutWildcard.slice(separator + 1);
  return NO_FILE_NAME.test(suffix)
    ? 'has a character after "-" or "_" that no file name may have'
    : undefined;
}

/** Returns why this is neither a privilege nor an action of an application; `undefined` if it is. */
export function applicationPrivilegeProblem(name: string): string | undefined {
  return VISIBLE_ASCII.test(name) ? undefined : 'must consist of visible ASCII characters';
}
