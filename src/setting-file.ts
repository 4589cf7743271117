import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ConfigError } from './config.ts';
import { messageOf } from './lib/message-of.ts';

/** The content of the file that a setting names. @throws {ConfigError} that names the setting */
export function readSettingFile(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigError(`${setting}: the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** PEM certificate authorities. @throws {ConfigError} */
export function readAuthorities(setting: string, path: string): Buffer {
  const file = readSettingFile(setting, path);
  checked(setting, 'the file is no PEM certificate', () => new X509Certificate(file));
  return file;
}

/** A PEM certificate and its private key. @throws {ConfigError} */
export function readCertificate(certFile: string, keyFile: string): { cert: Buffer; key: Buffer } {
  const pair = {
    cert: readSettingFile('TLS_CERT_FILE', certFile),
    key: readSettingFile('TLS_KEY_FILE', keyFile),
  };
  checked('TLS_CERT_FILE', 'the file is no PEM certificate', () => new X509Certificate(pair.cert));
  checked('TLS_KEY_FILE', 'the file is not the PEM private key of TLS_CERT_FILE', () =>
    createSecureContext(pair),
  );
  return pair;
}

function checked(setting: string, problem: string, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    throw new ConfigError(`${setting}: ${problem} (${messageOf(error)})`);
  }
}
