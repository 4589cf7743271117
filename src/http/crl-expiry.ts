/** Tags of DER. */
const SEQUENCE = 0x30;
const INTEGER = 0x02;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

/**
 * When the first of some PEM revocation lists expires, in milliseconds since 1970; `undefined` if none says so. Node.js reads certificates
 * only. TBSCertList (RFC 5280, 5.1) begins with an optional version, signature, issuer, thisUpdate and an optional nextUpdate.
 */
export function crlExpiryMs(pem: Buffer): number | undefined {
  const lists = pem.toString('latin1').matchAll(/-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g);
  const times = [...lists].map(([, base64 = '']) => nextUpdateMs(Buffer.from(base64, 'base64')));
  const known = times.filter((time) => time !== undefined && !Number.isNaN(time));
  return known.length === 0 ? undefined : Math.min(...(known as number[]));
}

interface Element {
  tag: number;
  content: Buffer;
}

function nextUpdateMs(list: Buffer): number | undefined {
  const [certificateList] = elementsOf(list);
  const [toBeSigned] = elementsOf(certificateList?.content);
  const fields = elementsOf(toBeSigned?.content);
  if (fields[0]?.tag === INTEGER) fields.shift();
  const [signature, issuer, thisUpdate, nextUpdate] = fields;
  if (signature?.tag !== SEQUENCE || issuer?.tag !== SEQUENCE || timeOf(thisUpdate) === undefined)
    return undefined;
  return timeOf(nextUpdate);
}

/** The elements of a DER content, as far as they are complete. */
function elementsOf(content: Buffer = Buffer.alloc(0)): Element[] {
  const elements: Element[] = [];
  let at = 0;
  while (at + 2 <= content.length) {
    const tag = content.readUInt8(at);
    const short = content.readUInt8(at + 1);
    const lengthBytes = short < 0x80 ? 0 : short - 0x80;
    const begin = at + 2 + lengthBytes;
    if (lengthBytes > 6 || begin > content.length) break;
    const length = lengthBytes === 0 ? short : content.readUIntBE(at + 2, lengthBytes);
    if (begin + length > content.length) break;
    elements.push({ tag, content: content.subarray(begin, begin + length) });
    at = begin + length;
  }
  return elements;
}

/** RFC 5280, 4.1.2.5: always with seconds, and in UTC. Two digits of a year mean 1950 to 2049. */
function timeOf(element: Element | undefined): number | undefined {
  if (element === undefined) return undefined;
  const text = element.content.toString('latin1');
  const century = Number(text.slice(0, 2)) >= 50 ? '19' : '20';
  const full =
    element.tag === UTC_TIME ? century + text : element.tag === GENERALIZED_TIME ? text : undefined;
  const parts = full === undefined ? null : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
