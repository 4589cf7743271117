import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { CallerGate } from './caller-gate.ts';

/** The page loads from this server only and sends requests to this server only. */
const policy = (nonce: string) =>
  [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}'`,
    // The page sets style attributes and inserts style elements without a nonce.
    "style-src 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

/** Stands for the nonce of a response in the page, which the package writes without knowledge of the response. */
const NONCE_PLACEHOLDER = 'NONCE-OF-THIS-RESPONSE';

/** Serves `/docs`, the API reference with a client to try calls. */
export async function referencePage(
  app: FastifyInstance,
  { callers }: { callers: CallerGate },
): Promise<void> {
  // A dynamic import, because the package is large and no other command needs it.
  const { default: scalar } = await import('@scalar/fastify-api-reference');
  app.addHook('onRequest', async (request) => callers.countAnonymous(request));
  app.addHook('onSend', async (_request, reply, payload) => {
    const nonce = randomBytes(16).toString('base64');
    reply.header('content-security-policy', policy(nonce)).header('x-content-type-options', 'nosniff');
    const isPage = String(reply.getHeader('content-type')).startsWith('text/html');
    return isPage && typeof payload === 'string' ? payload.replaceAll(NONCE_PLACEHOLDER, nonce) : payload;
  });
  await app.register(scalar, {
    routePrefix: '/docs',
    configuration: {
      nonce: NONCE_PLACEHOLDER,
      pageTitle: 'regional-iam control plane',
      withDefaultFonts: false,
      telemetry: false,
      hideClientButton: true,
      showDeveloperTools: 'never',
      agent: { disabled: true },
      mcp: { disabled: true },
      persistAuth: false,
      authentication: {
        preferredSecurityScheme: 'apiKey',
        // Every sample shows the scheme; only the credential is left to fill in.
        securitySchemes: {
          apiKey: { type: 'apiKey', name: 'Authorization', in: 'header', value: 'ApiKey CREDENTIAL' },
        },
      },
    },
  });
}
