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
  const { TLS_CERT_FILE, TLS_KEY_FILE } = config;
  if (TLS_CERT_FILE === undefined || TLS_KEY_FILE === undefined) return undefined;
  return {
    ...readCertificate(TLS_CERT_FILE, TLS_KEY_FILE),
    ...readClientTrust(config),
    minVersion: 'TLSv1.2',
    secureOptions: SECURE_OPTIONS,
  };
}

/** What decides which client certificates are valid. @throws {ConfigError} that names the setting */
function readClientTrust({ TLS_CLIENT_CA_FILE, TLS_CLIENT_CRL_FILE }: Config): Pick<TlsFiles, 'ca' | 'crl'> {
  const trust: Pick<TlsFiles, 'ca' | 'crl'> = {};
  if (TLS_CLIENT_CA_FILE !== undefined) trust.ca = readAuthorities('TLS_CLIENT_CA_FILE', TLS_CLIENT_CA_FILE);
  if (TLS_CLIENT_CRL_FILE === undefined) return trust;
  trust.crl = readSettingFile('TLS_CLIENT_CRL_FILE', TLS_CLIENT_CRL_FILE);
  try {
    createSecureContext(trust);
  } catch (error) {
    throw new ConfigError(`TLS_CLIENT_CRL_FILE: the file is no PEM revocation list (${messageOf(error)})`);
  }
  return trust;
}

/**
 * Reads the files again. Certificate and key belong together, and so do authorities and revocation list. Each pair is valid on its own:
 * a key that is missing must not keep a revoked client certificate valid.
 * @returns the current files with the pairs that are valid, and what is wrong with the other
 */
export function rereadTlsFiles(
  config: Config,
  current: TlsFiles,
): { files: TlsFiles; problem: ConfigError | undefined } {
  const { TLS_CERT_FILE = '', TLS_KEY_FILE = '' } = config;
  const files = { ...current };
  const problems: string[] = [];
  for (const read of [() => readCertificate(TLS_CERT_FILE, TLS_KEY_FILE), () => readClientTrust(config)]) {
    try {
      Object.assign(files, read());
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  return { files, problem: problems.length > 0 ? new ConfigError(problems.join('; ')) : undefined };
}

/** Whether both contain the same certificates, key and revocations. */
export function isSameTls(one: TlsFiles, other: TlsFiles): boolean {
  const contents = ({ cert, key, ca, crl }: TlsFiles) =>
    [cert, key, ca, crl].map((file) => file?.toString('latin1'));
  return JSON.stringify(contents(one)) === JSON.stringify(contents(other));
}
