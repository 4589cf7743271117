const IS_URL = /^postgres(ql)?:\/\//;

/** Parameters of libpq that name something that only the server, or only libpq, has. */
const LIBPQ_ONLY = ['service', 'passfile', 'sslcrl', 'sslcrldir', 'sslsni', 'krbsrvname', 'requiressl'];

/**
 * A libpq connection string as a URL for node-postgres, with the meaning that libpq gives to `sslmode`.
 * @param connectionString a URL or `key=value` pairs (PostgreSQL documentation, 34.1.1)
 * @returns `undefined` if node-postgres cannot use it: several hosts, or a parameter that only libpq has
 */
export function asUrl(connectionString: string): URL | undefined {
  const url = IS_URL.test(connectionString)
    ? parsedUrl(connectionString)
    : urlOfPairs(pairs(connectionString));
  if (url === undefined || /,/.test(url.host + (url.searchParams.get('host') ?? ''))) return undefined;
  if (LIBPQ_ONLY.some((name) => url.searchParams.has(name))) return undefined;
  url.searchParams.set('uselibpqcompat', 'true');
  url.searchParams.set('sslmode', url.searchParams.get('sslmode') ?? 'prefer');
  return url;
}

/**
 * How soon the server of a region notices a dead connection to the primary: within 10 seconds, when nothing is sent (keepalives)
 * and when nothing is acknowledged (tcp_user_timeout). Without them, the operating system waits for hours, or 15 minutes.
 */
const DEAD_PEER_DETECTION: Readonly<Record<string, string>> = {
  keepalives: '1',
  keepalives_idle: '4',
  keepalives_interval: '1',
  keepalives_count: '4',
  tcp_user_timeout: '8000',
  connect_timeout: '10',
};

/** A libpq connection string that also detects a dead peer. Parameters that it has already stay. */
export function withDeadPeerDetection(connectionString: string): string {
  const missing = Object.entries(DEAD_PEER_DETECTION).filter(
    ([name]) => !new RegExp(`\\b${name}\\s*=`).test(connectionString),
  );
  if (!IS_URL.test(connectionString)) {
    return [connectionString, ...missing.map(([name, value]) => `${name}=${value}`)].join(' ');
  }
  const parameters = missing.map(([name, value]) => `${name}=${value}`).join('&');
  if (parameters === '') return connectionString;
  return `${connectionString}${connectionString.includes('?') ? '&' : '?'}${parameters}`;
}

/** Whether a libpq connection string contains a password. */
export function hasPassword(connectionString: string): boolean {
  return /\bpassword\s*=|:\/\/[^/@]*:[^/@]+@/.test(connectionString);
}

function parsedUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** Values may be quoted; a backslash escapes the next character. */
const PAIR = /\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?:\s+|$)/gy;

function pairs(text: string): Map<string, string> | undefined {
  const found = [...text.matchAll(PAIR)];
  if (found.map(([pair]) => pair).join('').length !== text.length) return undefined;
  return new Map(
    found.map(([, name = '', quoted, plain]) => [name, (quoted ?? plain ?? '').replace(/\\(.)/g, '$1')]),
  );
}

function urlOfPairs(parameters: Map<string, string> | undefined): URL | undefined {
  if (parameters === undefined) return undefined;
  const { host, hostaddr, port, user, password, dbname, ...others } = Object.fromEntries(parameters);
  const url = new URL('postgres://localhost');
  url.searchParams.set('host', hostaddr ?? host ?? 'localhost');
  if (port !== undefined) url.port = port;
  url.username = encodeURIComponent(user ?? '');
  url.password = encodeURIComponent(password ?? '');
  url.pathname = `/${encodeURIComponent(dbname ?? user ?? '')}`;
  for (const [name, value] of Object.entries(others)) url.searchParams.set(name, value);
  return url;
}
