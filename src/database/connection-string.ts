export const IS_URL = /^postgres(ql)?:\/\//;

/** Parameters of libpq that name something that only the server, or only libpq, has. */
const LIBPQ_ONLY = ['service', 'passfile', 'sslcrl', 'sslcrldir', 'sslsni', 'krbsrvname', 'requiressl'];

/** Parameters that hold one value per host. */
const PER_HOST = ['host', 'hostaddr', 'port'];

/**
 * A libpq connection string as URLs for node-postgres, one per host, with the meaning that libpq gives to `sslmode`.
 * @param connectionString a URL or `key=value` pairs (PostgreSQL documentation, 34.1.1)
 * @returns `undefined` if node-postgres cannot use it, because of a parameter that only libpq has
 */
export function asUrls(connectionString: string): URL[] | undefined {
  const parameters = parametersOf(connectionString);
  if (parameters === undefined || LIBPQ_ONLY.some((name) => parameters.has(name))) return undefined;
  return Array.from({ length: hostCount(parameters) }, (_, at) => urlOf(parametersOfHost(parameters, at)));
}

/** Whether a libpq connection string names several hosts. */
export function hasSeveralHosts(connectionString: string): boolean {
  return hostCount(parametersOf(connectionString) ?? new Map()) > 1;
}

/**
 * The connection string of a subscription. It detects a dead peer. With several hosts, it leads to the one that accepts
 * writes, which is the primary.
 */
export function subscriptionConnection(connectionString: string): string {
  const detecting = withDeadPeerDetection(connectionString);
  return hasSeveralHosts(connectionString)
    ? withParameters(detecting, { target_session_attrs: 'read-write' })
    : detecting;
}

/**
 * How soon the server of a region notices a dead connection to the primary: within 10 seconds, when nothing is sent (keepalives)
 * and when nothing is acknowledged (tcp_user_timeout). Without them, the operating system waits for hours, or 15 minutes.
 */
const DEAD_PEER_DETECTION: Readonly<Record<string, string>> = {
  keepalives: '1',
  keepalives_idle: '4',
  keepalives_interval: '1',
  keepalives_count: '3',
  tcp_user_timeout: '7000',
  connect_timeout: '10',
};

/** A libpq connection string that also detects a dead peer. Parameters that it has already stay. */
export function withDeadPeerDetection(connectionString: string): string {
  return withParameters(connectionString, DEAD_PEER_DETECTION);
}

function withParameters(connectionString: string, parameters: Readonly<Record<string, string>>): string {
  const missing = Object.entries(parameters)
    .filter(([name]) => !new RegExp(`\\b${name}\\s*=`).test(connectionString))
    .map(([name, value]) => `${name}=${value}`);
  if (missing.length === 0) return connectionString;
  if (!IS_URL.test(connectionString)) return [connectionString, ...missing].join(' ');
  return `${connectionString}${connectionString.includes('?') ? '&' : '?'}${missing.join('&')}`;
}

/** Whether a libpq connection string contains a password. */
export function hasPassword(connectionString: string): boolean {
  return /\bpassword\s*=|:\/\/[^/@]*:[^/@]+@/.test(connectionString);
}

type Parameters = ReadonlyMap<string, string>;

/** The parameters of a libpq connection string; `undefined` if it cannot be read. */
export function parametersOf(connectionString: string): Parameters | undefined {
  return IS_URL.test(connectionString) ? parametersOfUrl(connectionString) : pairs(connectionString);
}

/** Credentials, hosts with ports, database, parameters. `URL` does not accept several hosts. */
const URL_PARTS = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/;

/** A host, or an IPv6 address in brackets, with an optional port. */
const HOST = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/;

function parametersOfUrl(text: string): Parameters | undefined {
  const [, credentials = '', authority = '', database = '', query = ''] = URL_PARTS.exec(text) ?? [];
  const hosts = authority.split(',').map((host) => HOST.exec(host));
  if (!URL_PARTS.test(text) || hosts.includes(null)) return undefined;
  const [user = '', password = ''] = credentials.split(/:(.*)/s);
  try {
    const named = {
      host: hosts.map((host) => decodeURIComponent(host?.[1] ?? '')).join(','),
      port: hosts.map((host) => host?.[2] ?? '').join(','),
      user: decodeURIComponent(user),
      password: decodeURIComponent(password),
      dbname: decodeURIComponent(database),
    };
    return new Map([
      ...Object.entries(named).filter(([, value]) => /[^,]/.test(value)),
      ...new URLSearchParams(query.replaceAll('+', '%2B')),
    ]);
  } catch {
    return undefined; // a wrong percent sign
  }
}

/** Values may be quoted; a backslash escapes the next character. */
const PAIR = /\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?:\s+|$)/gy;

function pairs(text: string): Parameters | undefined {
  const found = [...text.matchAll(PAIR)];
  if (found.map(([pair]) => pair).join('').length !== text.length) return undefined;
  return new Map(
    found.map(([, name = '', quoted, plain]) => [name, (quoted ?? plain ?? '').replace(/\\(.)/g, '$1')]),
  );
}

function hostCount(parameters: Parameters): number {
  return Math.max(...['host', 'hostaddr'].map((name) => (parameters.get(name) ?? '').split(',').length));
}

/** A single port is that of every host. */
function parametersOfHost(parameters: Parameters, at: number): Parameters {
  return new Map(
    [...parameters].map(([name, value]) => {
      const values = PER_HOST.includes(name) ? value.split(',') : [value];
      return [name, (values.length === 1 ? values[0] : values[at]) ?? ''];
    }),
  );
}

/**
 * A URL as node-postgres understands it. `sslrootcert=system` of libpq (since version 16) names no file: it means the authorities that
 * the process trusts, with `sslmode=verify-full`.
 * @param url a URL, or the folder of a Unix socket
 */
export function forNode(url: string): string {
  if (!SYSTEM_AUTHORITIES.test(url)) return url;
  const system = new URL(url);
  system.searchParams.delete('sslrootcert');
  system.searchParams.set('sslmode', 'verify-full');
  return system.href;
}

const SYSTEM_AUTHORITIES = /^postgres.*[?&]sslrootcert=system(&|$)/;

function urlOf(parameters: Parameters): URL {
  const { host, hostaddr, port, user, password, dbname, ...others } = Object.fromEntries(parameters);
  const url = new URL('postgres://localhost');
  url.searchParams.set('host', (hostaddr || host || 'localhost').replace(/^\[(.*)\]$/, '$1'));
  if (port) url.port = port;
  url.username = encodeURIComponent(user ?? '');
  url.password = encodeURIComponent(password ?? '');
  url.pathname = `/${encodeURIComponent(dbname ?? user ?? '')}`;
  for (const [name, value] of Object.entries(others)) url.searchParams.set(name, value);
  url.searchParams.set('uselibpqcompat', 'true');
  url.searchParams.set('sslmode', url.searchParams.get('sslmode') ?? 'prefer');
  return new URL(forNode(url.href));
}
