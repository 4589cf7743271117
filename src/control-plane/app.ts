import sensible from '@fastify/sensible';
import fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { clientConnections } from '../http/client-connections.ts';
import { ErrorLog } from '../http/error-log.ts';
import { type OnRefusal, toIamError, uiamErrorResponses } from '../http/error-rendering.ts';
import { openApi } from '../http/openapi.ts';
import { requestBodies } from '../http/request-bodies.ts';
import { senderAddress } from '../http/sender-address.ts';
import { serverOptions } from '../http/server-options.ts';
import { tlsReload } from '../http/tls-reload.ts';
import type { Traffic } from '../http/traffic.ts';
import type { ClientAuthentication } from '../keys/client-authentication.ts';
import type { Database } from './database.ts';
import type { Caller } from './http/caller.ts';
import { clientAddress, type ForwardedResult } from './http/client-address.ts';
import { elasticsearchErrors } from './http/elasticsearch-errors.ts';
import { API_HEADERS, cloudErrorResponses, sendCloudError } from './http/error-responses.ts';
import { EXAMPLES } from './http/examples.ts';
import { jsonBody } from './http/json-body.ts';
import { referencePage } from './http/reference-page.ts';
import { type AuditedCall, type RefusalTrail, requireAuditAction } from './http/refusal-trail.ts';
import { refuseUnknownQuery, withAllowedMethods } from './http/strict-routes.ts';
import { rfc3339 } from './keys/key-view.ts';
import type { CustomRoles } from './roles/custom-roles.ts';
import { auditRoute } from './routes/audit.ts';
import { ELASTICSEARCH_ROLES, elasticsearchRoleRoutes } from './routes/elasticsearch-roles.ts';
import { keyRoutes } from './routes/keys.ts';
import { organizationRoutes } from './routes/organizations.ts';
import { repairRoute } from './routes/repairs.ts';
import { roleRoutes } from './routes/roles.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { type UiamServices, uiamRoutes } from './routes/uiam.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The authenticated key. It is set before the body is read. */
    caller: Caller;
  }
  interface FastifyContextConfig {
    /** How the audit trail records refused requests of a route. */
    audit?: AuditedCall;
  }
}

/** Services that the routes call. */
export interface ControlPlaneServices extends UiamServices {
  roles: CustomRoles;
  database: Database;
  refusals: RefusalTrail;
  /** Recognizes regions by FORWARDING_SECRETS. */
  regions: ClientAuthentication;
  traffic: Traffic;
  /** Called for each call that a region forwards. */
  onForwarded: (result: ForwardedResult) => void;
}

/** The limit of Node for the head of a request. */
const MAX_PATH_CHARS = 16_384;

const CLOUD_API = '/api/v1';

const REFERENCE = {
  title: 'regional-iam control plane',
  description:
    'Manages unified API keys and custom roles. Authenticate with the header `Authorization: ApiKey <credential>`.',
  examples: EXAMPLES,
};

/** Builds the HTTP server of the control plane. The services contain all rules. */
export async function createControlPlaneApp(
  config: Config,
  logger: Logger,
  services: ControlPlaneServices,
  prepare: (app: FastifyInstance) => void = () => {},
): Promise<FastifyInstance> {
  const options = serverOptions(config, logger, services.traffic);
  const app = fastify({
    ...options,
    // Longer than any valid id, so that a long one is a refusal of its route and not an unknown path.
    routerOptions: { maxParamLength: MAX_PATH_CHARS },
    frameworkErrors: (error, request, reply) => {
      if (request.url.startsWith(`${CLOUD_API}/`)) sendCloudError(toIamError(error), reply);
      else options.frameworkErrors?.(error, request, reply);
    },
  }) as unknown as FastifyInstance;
  // Route schemas only document the API: the services validate their input, so that HTTP and the CLI share the rules.
  app.setValidatorCompiler(() => (value: unknown) => ({ value }));
  app.setSerializerCompiler(() => (value: unknown) => JSON.stringify(value));
  await app.register(sensible);
  const errorLog = new ErrorLog(logger, Date.now);
  const onRefusal: OnRefusal = (request, error) => services.refusals.record(request, error);
  await app.register(uiamErrorResponses, { errorLog, onRefusal });
  await app.register(senderAddress, { addresses: services.traffic.addresses });
  await app.register(tlsReload, {
    config,
    logger,
    certificateExpiry: services.traffic.certificateExpiry,
    crlExpiry: services.traffic.crlExpiry,
  });
  await app.register(requestBodies, {
    timeoutMs: config.BODY_TIMEOUT_MS,
    traffic: services.traffic,
  });
  await app.register(clientConnections, services.traffic);
  await app.register(jsonBody);
  prepare(app);

  await app.register(clientAddress, {
    regions: services.regions,
    onForwarded: services.onForwarded,
    logger,
  });
  await app.register(openApi, REFERENCE);
  await app.register(referencePage, { callers: services.callers });
  app.get('/', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/docs/'));
  await app.register(async (api) => elasticCloudApi(api, services, { errorLog, onRefusal }), {
    prefix: CLOUD_API,
  });
  // Paths and methods that do not exist outside /api/v1, which authenticates their callers too.
  app.addHook('onRequest', async (request) => {
    if (request.is404 || request.routeOptions.config.allow !== undefined) {
      services.callers.countAnonymous(request);
    }
  });
  await app.register(
    async (uiam) => {
      uiam.addHook('onRequest', async (_request, reply) => void reply.headers(API_HEADERS));
      requireAuditAction(uiam);
      withAllowedMethods(uiam, () => uiamRoutes(uiam, services));
    },
    { prefix: '/uiam/api/v1/api-keys' },
  );
  await app.register(async (uiam) => tokenRoutes(uiam, services.callers), { prefix: '/uiam/api/v1/tokens' });
  await app.register(async (internal) => repairRoute(internal, services));
  return app;
}

/** `/api/v1`: authenticates the caller's key before it reads anything else. */
async function elasticCloudApi(
  api: FastifyInstance,
  services: ControlPlaneServices,
  errors: { errorLog: ErrorLog; onRefusal: OnRefusal },
): Promise<void> {
  await api.register(cloudErrorResponses, errors);
  await api.register(refuseUnknownQuery);
  api.addHook('onRequest', async (request, reply) => {
    reply.headers(API_HEADERS);
    const caller = await services.callers.authenticate(request);
    request.caller = caller;
    if (caller.key.expiresAtMs !== null) {
      reply.header('x-elastic-api-key-expiration', rfc3339(caller.key.expiresAtMs));
    }
  });
  requireAuditAction(api);
  withAllowedMethods(api, () => {
    keyRoutes(api, services.keys);
    roleRoutes(api, services.roles);
    organizationRoutes(api, services.database);
    auditRoute(api, services.database);
  });
  await api.register(
    async (elasticsearch) => {
      elasticsearchErrors(elasticsearch, errors);
      withAllowedMethods(elasticsearch, () => elasticsearchRoleRoutes(elasticsearch, services.roles));
    },
    { prefix: ELASTICSEARCH_ROLES },
  );
}
