import type { Server, TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import { LogLimiter } from '../lib/log-limiter.ts';

const LINE_INTERVAL_MS = 60_000;
/** The client left. Probes of load balancers do this all the time. */
const LEFT = new Set(['ECONNRESET', 'EPIPE']);

/**
 * Logs why TLS clients are refused, once per minute and cause: callers see only a failed handshake or a 401. An expired revocation list,
 * for example, makes every client certificate of its authority invalid.
 */
export function logTlsProblems(server: Server, logger: Logger): void {
  const lines = new LogLimiter(() => performance.now(), LINE_INTERVAL_MS);
  const report = (cause: string, message: string) => {
    const suppressed = lines.admit(cause);
    if (suppressed !== undefined) logger.warn({ cause, suppressed }, message);
  };
  server.on('secureConnection', (socket: TLSSocket) => {
    // Node.js also sets an error if there is no certificate, which callers with external keys do not need.
    if (!socket.authorizationError || socket.getPeerX509Certificate() === undefined) return;
    const cause = String(socket.authorizationError);
    report(
      cause,
      `a client certificate is not valid (${cause}), so it is no client authentication (docs/operations.md, Certificates)`,
    );
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => {
    const cause = error.code ?? error.name;
    if (!LEFT.has(cause))
      report(cause, `a TLS handshake with a client failed (${cause}; docs/operations.md, Certificates)`);
  });
}
