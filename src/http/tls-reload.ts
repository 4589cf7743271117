import { X509Certificate } from 'node:crypto';
import type { Server } from 'node:tls';
import fp from 'fastify-plugin';
import type { Logger } from 'pino';
import type { Gauge } from 'prom-client';
import type { Config } from '../config.ts';
import { RepeatedTask } from '../lib/repeated-task.ts';
import { isSameTls, readTlsFiles, rereadTlsFiles, type TlsFiles } from './tls-files.ts';
import { logTlsProblems } from './tls-problems.ts';

const INTERVAL_MS = 2_000;

export interface TlsReloadOptions {
  config: Config;
  logger: Logger;
  /** The time at which the certificate expires, in seconds since 1970. */
  certificateExpiry: Gauge<'setting'>;
  /** The time at which the first revocation list expires, in seconds since 1970. */
  crlExpiry: Gauge<'setting'>;
  intervalMs?: number;
}

/**
 * Reads the files of the TLS settings again and again, and uses changed ones for new connections. It compares contents: Kubernetes
 * replaces a link to their folder, which no watch of a file notices.
 */
class TlsReload extends RepeatedTask {
  readonly #server: Server;
  readonly #options: TlsReloadOptions;
  readonly #crlExpiryMs: CrlExpiry | undefined;
  #current: TlsFiles;

  constructor(
    server: Server,
    current: TlsFiles,
    options: TlsReloadOptions,
    crlExpiryMs: CrlExpiry | undefined,
  ) {
    super({
      intervalMs: options.intervalMs ?? INTERVAL_MS,
      logger: options.logger,
      messages: {
        failed:
          'a changed TLS file is invalid; the service keeps the previous one and the file that belongs to it; correct the file of the setting that the error names',
        recovered: 'the TLS files are valid again',
      },
    });
    this.#server = server;
    this.#options = options;
    this.#crlExpiryMs = crlExpiryMs;
    this.#current = current;
    this.#use(current);
  }

  protected async turn(): Promise<void> {
    const { files, problem } = rereadTlsFiles(this.#options.config, this.#current);
    if (!isSameTls(files, this.#current)) {
      this.#use(files);
      this.#report(files);
    }
    if (problem !== undefined) throw problem;
  }

  #report(files: TlsFiles): void {
    const { validTo } = new X509Certificate(files.cert);
    this.#options.logger.info(
      `new TLS connections use the changed files; the certificate is valid until ${validTo}`,
    );
  }

  #use(files: TlsFiles): void {
    this.#server.setSecureContext(files);
    this.#current = files;
    const { validToDate } = new X509Certificate(files.cert);
    this.#options.certificateExpiry.set({ setting: 'TLS_CERT_FILE' }, validToDate.getTime() / 1_000);
    const expiresAtMs = files.crl && this.#crlExpiryMs?.(files.crl);
    if (expiresAtMs === undefined) this.#options.crlExpiry.reset();
    else this.#showExpiry(expiresAtMs);
  }

  #showExpiry(expiresAtMs: number): void {
    this.#options.crlExpiry.set({ setting: 'TLS_CLIENT_CRL_FILE' }, expiresAtMs / 1_000);
    if (expiresAtMs > Date.now()) return;
    this.#options.logger.warn(
      { expired_at: new Date(expiresAtMs).toISOString() },
      'TLS_CLIENT_CRL_FILE: the revocation list has expired, so no client certificate is valid; replace it by a newer one',
    );
  }
}

type CrlExpiry = (pem: Buffer) => number | undefined;

/** Imported on demand, because its parser takes long to load. */
async function crlExpiry({ TLS_CLIENT_CRL_FILE }: Config): Promise<CrlExpiry | undefined> {
  return TLS_CLIENT_CRL_FILE === undefined ? undefined : (await import('./crl-expiry.ts')).crlExpiryMs;
}

/** Reloads certificate, key, authorities and revocation list of a server that uses TLS, while it listens. */
export const tlsReload = fp<TlsReloadOptions>(
  async (app, options) => {
    const files = readTlsFiles(options.config);
    if (files === undefined) return;
    const server = app.server as unknown as Server;
    logTlsProblems(server, options.logger);
    const reload = new TlsReload(server, files, options, await crlExpiry(options.config));
    app.addHook('onListen', async () => reload.start());
    app.addHook('onClose', async () => reload.stop());
  },
  { name: 'tls-reload' },
);
