import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../../src/config.ts';
import { createLogger } from '../../src/http/logger.ts';
import { AUTHENTICATE_PATH } from '../../src/regional/authentication-call.ts';
import { type RegionalService, startRegionalService } from '../../src/regional/regional-service.ts';

export const CLIENT_SECRET = 'test-client-secret';

/** A running regional service and its log lines. */
export interface TestRegional extends RegionalService {
  logLines: string[];
}

/** The settings of a regional service on free ports. */
export function regionalSettings(replicaUrl: string): Record<string, string> {
  return {
    REPLICA_DATABASE_URL: replicaUrl,
    REGIONAL_PORT: '0',
    MANAGEMENT_PORT: '0',
    CREDENTIAL_PREFIX: 'essu_dev',
    CLIENT_AUTHENTICATION_SECRETS: CLIENT_SECRET,
  };
}

/** Starts the regional service on free ports; resolves when it is ready, because a key can get 503 until then. */
export async function startRegional(
  replicaUrl: string,
  settings: Record<string, string> = {},
): Promise<TestRegional> {
  const regional = await startUnreadyRegional(replicaUrl, settings);
  await ready(regional);
  return regional;
}

/** Resolves when the service is ready. */
export async function ready(pod: { managementUrl: string }): Promise<void> {
  for (;;) {
    const response = await fetch(`${pod.managementUrl}/readyz`);
    await response.arrayBuffer(); // an unread body keeps its connection open
    if (response.ok) return;
    await sleep(10);
  }
}

/** Starts the regional service on free ports; resolves when it listens. For replicas that do not make it ready. */
export async function startUnreadyRegional(
  replicaUrl: string,
  settings: Record<string, string> = {},
): Promise<TestRegional> {
  const logLines: string[] = [];
  const logger = createLogger(
    { level: 'debug', serviceName: 'iam-regional' },
    { write: (line) => void logLines.push(line) },
  );
  const environment = { ...regionalSettings(replicaUrl), ...settings };
  const service = await startRegionalService(loadConfig(environment), logger, environment);
  return { ...service, logLines };
}

export interface ApiResponse {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read single fields
  body: any;
}

/** A requested project in the form of the protocol. */
export function projectContext(projectId: string, organizationId: string, projectType = 'elasticsearch') {
  return {
    type: 'project',
    project_id: projectId,
    project_type: projectType,
    project_organization_id: organizationId,
  };
}

/** Calls `_authenticate` over real HTTP. */
export async function authenticate(
  regional: { url: string },
  authorization: string | undefined,
  options: { contexts?: unknown[]; rawBody?: string; query?: string; headers?: Record<string, string> } = {},
): Promise<ApiResponse> {
  const body =
    options.rawBody ??
    (options.contexts === undefined ? undefined : JSON.stringify({ contexts: options.contexts }));
  const response = await fetch(`${regional.url}${AUTHENTICATE_PATH}${options.query ?? ''}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(authorization === undefined ? {} : { authorization }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}
