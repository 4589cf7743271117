import type { FastifyInstance } from 'fastify';

/** Nothing of the page comes from elsewhere, and nothing it does goes elsewhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** `/docs`: the reference of this server, from which calls can be tried. Its script is served from here. */
export async function referencePage(app: FastifyInstance): Promise<void> {
  // Loaded here because it is big, and only this server has use for it.
  const { default: scalar } = await import('@scalar/fastify-api-reference');
  app.addHook('onSend', async (_request, reply) => {
    reply.header('content-security-policy', POLICY).header('x-content-type-options', 'nosniff');
  });
  await app.register(scalar, {
    routePrefix: '/docs',
    configuration: {
      pageTitle: 'regional-iam control plane',
      withDefaultFonts: false,
      telemetry: false,
      hideClientButton: true,
      showDeveloperTools: 'never',
      agent: { disabled: true },
      mcp: { disabled: true },
      persistAuth: false,
      authentication: { preferredSecurityScheme: 'apiKey' },
    },
  });
}
