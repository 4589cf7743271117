/** What a URL, or a connection string in the form of one, needs. */
export const ESCAPE_PASSWORD =
  'escape special characters of the user name and the password: @ is %40, / is %2F, : is %3A, ? is %3F, # is %23, % is %25';
export const PORT_RANGE = 'the port must be a number from 1 to 65535';

/** Scheme, authority, and the rest. */
const PARTS = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)(.*)$/is;
const PORT = /:(\d+)$/;

/**
 * What is wrong with the authority of a URL. A password with a special character that is not escaped moves the end of the authority:
 * a part of the password then counts as host, port or path, and would be in the errors of a connection. So the message never has a part
 * of the URL.
 * @returns `undefined` if nothing is wrong, or if the text is no URL at all
 */
export function urlProblem(text: string): string | undefined {
  const [, authority = '', rest = ''] = PARTS.exec(text) ?? [];
  if (rest.includes('@')) return ESCAPE_PASSWORD;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const port = PORT.exec(host)?.[1];
  if (port !== undefined && !isPort(port)) return PORT_RANGE;
  if (!URL.canParse(text)) return undefined;
  const { hostname, searchParams } = new URL(text);
  const hosts = [decoded(hostname), searchParams.get('host') ?? ''];
  if (hosts.some((name) => name.includes('@'))) return ESCAPE_PASSWORD;
  return isPort(searchParams.get('port') ?? '1') ? undefined : PORT_RANGE;
}

/** Whether a text is a port that a server can have. */
export function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
