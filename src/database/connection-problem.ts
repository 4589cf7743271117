import { isLoopback } from '../lib/loopback.ts';
import { ESCAPE_PASSWORD, isPort, PORT_RANGE, urlProblem } from '../lib/url-problem.ts';
import { IS_URL, parametersOf } from './connection-string.ts';

const QUOTE_PASSWORD =
  "quote values with spaces or special characters ('…'), and put a backslash before ' and \\ in them";

/**
 * What makes a libpq connection string unusable. Found here, because the errors of libpq quote the part that they do not understand,
 * which may be a part of the password. The message has no part of the string.
 */
export function connectionProblem(text: string): string | undefined {
  if (IS_URL.test(text)) return connectionUrlProblem(text);
  const parameters = parametersOf(text);
  return parameters === undefined ? QUOTE_PASSWORD : parametersProblem(parameters, QUOTE_PASSWORD);
}

/** As `connectionProblem`, for a URL that only this process uses. node-postgres reads no `key=value` pairs. */
export function databaseUrlProblem(text: string): string | undefined {
  if (text.startsWith('/')) return undefined; // the folder of a Unix socket
  if (!IS_URL.test(text)) return 'it must start with postgres:// or postgresql://';
  return urlProblem(text) ?? (URL.canParse(text) ? undefined : ESCAPE_PASSWORD);
}

/** Also folders of Unix sockets. Nothing is the default of libpq: a Unix socket, or localhost. */
function isLocal(host: string): boolean {
  return host === '' || host.startsWith('/') || isLoopback(host);
}

/**
 * Whether a connection string leads to another host without a check of its certificate and name: who answers there gets the password of a
 * login, or the schema. `prefer`, the default, does not even encrypt if the server does not want to.
 * @param text a URL, `key=value` pairs, or the folder of a Unix socket
 */
export function isUnverified(text: string): boolean {
  const parameters = text.startsWith('/') ? undefined : parametersOf(text);
  if (parameters === undefined) return false;
  const byDefault = parameters.get('sslrootcert') === 'system' ? 'verify-full' : 'prefer';
  if ((parameters.get('sslmode') ?? byDefault) === 'verify-full') return false;
  // libpq connects to hostaddr if it is set, and node-postgres to host.
  const hosts = ['host', 'hostaddr'].flatMap((name) => (parameters.get(name) ?? '').split(','));
  return !hosts.every(isLocal);
}

/** libpq ends the credentials at the first `@`, and does not know fragments. */
function connectionUrlProblem(text: string): string | undefined {
  const parameters = parametersOf(text);
  if (parameters === undefined || /^[^/]*\/\/[^/?]*[/?].*@/s.test(text)) return ESCAPE_PASSWORD;
  return parametersProblem(parameters, ESCAPE_PASSWORD);
}

function parametersProblem(parameters: ReadonlyMap<string, string>, advice: string): string | undefined {
  const values = (name: string) => (parameters.get(name) ?? '').split(',');
  if ([...values('host'), ...values('hostaddr')].some((host) => host.includes('@'))) return advice;
  return values('port').every((port) => port === '' || isPort(port.trim())) ? undefined : PORT_RANGE;
}
