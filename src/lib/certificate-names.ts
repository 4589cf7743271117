/** The segments of a SPIFFE id that `/*` stands for. */
const SPIFFE_SEGMENTS = /^(?!\.\.?(?:\/|$))[A-Za-z0-9._-]+(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9._-]+)*$/;

/** Whether a text is a DNS name, a URI, or a SPIFFE id that ends with `/*`. */
export function isCertificateName(text: string): boolean {
  const name = text.startsWith('spiffe://') && text.endsWith('/*') ? text.slice(0, -2) : text;
  return /^(?:[A-Za-z0-9_.-]+|[a-z][a-z0-9+.-]*:(?!\/?$)[^\s"'\\*]+)$/.test(name);
}

/** A set of names of certificates (subjectAltName). */
export class CertificateNames {
  readonly #names = new Set<string>();
  readonly #prefixes: string[] = [];

  /** @param names each valid for `isCertificateName` */
  constructor(names: readonly string[]) {
    for (const name of names) {
      if (name.endsWith('/*')) this.#prefixes.push(name.slice(0, -1));
      else this.#names.add(name.includes(':') ? `URI:${name}` : `DNS:${name.toLowerCase()}`);
    }
  }

  /**
   * Whether one of the DNS names and URIs of a certificate is in the set.
   * @param subjectAltName as Node.js writes it. Node quotes and escapes each value that contains a comma or a quote, so one value
   * cannot pretend to be two. A quoted value matches nothing, because no name of the set needs quotes.
   */
  hasAny(subjectAltName: string | undefined): boolean {
    return (subjectAltName ?? '').split(', ').some((item) => {
      if (item.startsWith('DNS:')) return this.#names.has(`DNS:${item.slice(4).toLowerCase()}`);
      if (!item.startsWith('URI:')) return false;
      const uri = item.slice(4);
      return this.#names.has(item) || this.#prefixes.some((prefix) => isBelow(prefix, uri));
    });
  }
}

function isBelow(prefix: string, uri: string): boolean {
  return uri.startsWith(prefix) && SPIFFE_SEGMENTS.test(uri.slice(prefix.length));
}
