import { z } from 'zod';
import { isCertificateName } from '../lib/certificate-names.ts';
import { flag, integer, list } from './types.ts';

/** Encryption of the connections of clients, and their certificates. */
export const tlsSettings = {
  TLS_CERT_FILE: z.string().optional().describe('PEM certificate. Enables TLS, with TLS_KEY_FILE.'),
  TLS_KEY_FILE: z.string().optional().describe('PEM private key of TLS_CERT_FILE.'),
  TLS_CLIENT_CA_FILE: z
    .string()
    .optional()
    .describe(
      'PEM certificate authorities of client certificates (mTLS). A certificate counts as client authentication if it also has a name of CLIENT_CERTIFICATE_NAMES, which is required.',
    ),
  TLS_CLIENT_CRL_FILE: z
    .string()
    .optional()
    .describe(
      'PEM revocation lists (CRL) of the authorities in TLS_CLIENT_CA_FILE, one of each. An expired list makes all their certificates invalid.',
    ),
  CLIENT_CERTIFICATE_NAMES: list
    .pipe(
      z.array(
        z.string().refine(isCertificateName, {
          message:
            'each item must be a DNS name or a URI, such as spiffe://example.org/elasticsearch; only a SPIFFE id may end with /*',
        }),
      ),
    )
    .default([])
    .describe(
      'Names of the client certificates that count as client authentication, separated by commas: DNS names and URIs of the subjectAltName. A SPIFFE id that ends with /* includes all ids below it.',
    ),
  ALLOW_PLAINTEXT: flag
    .default(false)
    .describe(
      'Set to true if a proxy or a service mesh encrypts the connections to HOST. Without it, a process that listens on another address than loopback without TLS warns at start.',
    ),
  MAX_CONNECTION_AGE_MS: integer(1_000, 86_400_000)
    .default(600_000)
    .describe(
      'Age at which a connection ends, after a response with Connection: close. Up to a tenth less, so that connections end at different times. Bounds how long a revoked client certificate is used.',
    ),
} as const;
