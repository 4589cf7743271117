import { AUTHENTICATE_PATH } from '../../src/regional/authentication-call.ts';

/** Builds a complete POST request of a keep-alive client. */
export function httpPost(path: string, headers: Record<string, string>, body: string): Buffer {
  const head = Object.entries({
    host: '127.0.0.1',
    connection: 'keep-alive',
    ...headers,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${head.join('')}\r\n${body}`);
}

/** A project in a call to `_authenticate`. */
export interface Context {
  projectId: string;
  projectType: string;
  organizationId: string;
}

/** Builds a call to `_authenticate`. */
export function authenticateRequest(authorization: string, contexts: readonly Context[]): Buffer {
  const body = JSON.stringify({
    contexts: contexts.map((context) => ({
      type: 'project',
      project_id: context.projectId,
      project_type: context.projectType,
      project_organization_id: context.organizationId,
    })),
  });
  return httpPost(AUTHENTICATE_PATH, { authorization }, body);
}
