import { fromBER, Sequence, UTCTime } from 'asn1js';

/**
 * When the first of some PEM revocation lists expires, in milliseconds since 1970; `undefined` if none says so. Node.js reads certificates
 * only.
 */
export function crlExpiryMs(pem: Buffer): number | undefined {
  const lists = pem.toString('latin1').matchAll(/-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g);
  const times = [...lists].map(([, base64 = '']) => nextUpdateMs(Buffer.from(base64, 'base64')));
  const known = times.filter((time) => time !== undefined && !Number.isNaN(time));
  return known.length === 0 ? undefined : Math.min(...(known as number[]));
}

/** The second time of TBSCertList, which has no others at its level: thisUpdate and an optional nextUpdate (RFC 5280, 5.1). */
function nextUpdateMs(list: Buffer): number | undefined {
  const [toBeSigned] = elementsOf(fromBER(new Uint8Array(list)).result);
  // GeneralizedTime is a subclass.
  const times = elementsOf(toBeSigned).filter((field) => field instanceof UTCTime);
  return times[1]?.toDate().getTime();
}

function elementsOf(value: unknown) {
  return value instanceof Sequence ? value.valueBlock.value : [];
}
