import { constants } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { type Config, ConfigError } from '../config.ts';
import { messageOf } from '../lib/message-of.ts';
import { readAuthorities, readCertificate, readSettingFile } from '../setting-file.ts';

/**
 * No session resumption: it skips the check of the client certificate, which may have expired or been revoked since. No
 * renegotiation: it changes the certificate of a connection.
 */
const SECURE_OPTIONS = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

/** The files of the TLS settings, and what else every secure context has. */
export interface TlsFiles extends SecureContextOptions {
  cert: Buffer;
  key: Buffer;
  ca?: Buffer;
  crl?: Buffer;
}

/** Reads the files of the TLS settings. @returns `undefined` without TLS. @throws {ConfigError} that names the setting */
export function readTlsFiles(config: Config): TlsFiles | undefined {
  const { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE, TLS_CLIENT_CRL_FILE } = config;
  if (TLS_CERT_FILE === undefined || TLS_KEY_FILE === undefined) return undefined;
  const files: TlsFiles = {
    ...readCertificate(TLS_CERT_FILE, TLS_KEY_FILE),
    minVersion: 'TLSv1.2',
    secureOptions: SECURE_OPTIONS,
  };
  if (TLS_CLIENT_CA_FILE !== undefined) files.ca = readAuthorities('TLS_CLIENT_CA_FILE', TLS_CLIENT_CA_FILE);
  if (TLS_CLIENT_CRL_FILE !== undefined) {
    files.crl = readSettingFile('TLS_CLIENT_CRL_FILE', TLS_CLIENT_CRL_FILE);
    try {
      createSecureContext(files);
    } catch (error) {
      throw new ConfigError(`TLS_CLIENT_CRL_FILE: the file is no PEM revocation list (${messageOf(error)})`);
    }
  }
  return files;
}

/** Whether both contain the same certificates, key and revocations. */
export function isSameTls(one: TlsFiles, other: TlsFiles): boolean {
  const contents = ({ cert, key, ca, crl }: TlsFiles) =>
    [cert, key, ca, crl].map((file) => file?.toString('latin1'));
  return JSON.stringify(contents(one)) === JSON.stringify(contents(other));
}
