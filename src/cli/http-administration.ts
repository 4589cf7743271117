import { randomUUID } from 'node:crypto';
import type { Project } from '../control-plane/roles/custom-roles.ts';
import type { RoleDescriptor } from '../roles/role-descriptor.ts';
import type { Administration } from './administration.ts';
import { RemoteError, UsageError } from './command-failure.ts';

const KEYS = '/api/v1/users/auth/keys';
const TIMEOUT_MS = 30_000;
const ATTEMPTS = 3;
const PAUSE_MS = 500;

/** Where the commands go over HTTP, and with whose key. */
export interface Remote {
  url: string;
  credential: string;
}

/**
 * The commands over HTTP: what an owner can do from anywhere. A call whose answer is lost or that is answered 503 is
 * repeated; what makes something carries an idempotency key, so that a repetition makes nothing twice.
 */
export function httpAdministration(remote: Remote): Administration {
  const { call } = caller(remote);
  const rolesOf = ({ projectType, projectId }: Project) =>
    `/api/v1/projects/${encodeURIComponent(projectType)}/${encodeURIComponent(projectId)}/roles`;
  return {
    createKey: ({ body, internal }) => {
      if (internal) throw new UsageError('--internal works at the database only.');
      return call('POST', KEYS, { body, once: true });
    },
    listKeys: (query) => call('GET', `${KEYS}?${new URLSearchParams(query)}`),
    showKey: (id) => call('GET', `${KEYS}/${encodeURIComponent(id)}?status=all`),
    revokeKeys: async (ids, force) => {
      await call('DELETE', `${KEYS}?force=${force}`, { body: { keys: ids } });
    },
    rotateKey: (id, body, force) =>
      call('POST', `${KEYS}/${encodeURIComponent(id)}/_rotate?force=${force}`, { body, once: true }),
    putRole: async (project, name, descriptor) => {
      const path = `${rolesOf(project)}/${encodeURIComponent(name)}`;
      const { warnings = [] } = await call<{ warnings?: string[] }>('PUT', path, { body: descriptor });
      return { warnings };
    },
    listRoles: async (project) => {
      const roles = await call<Record<string, RoleDescriptor & { transient_metadata?: unknown }>>(
        'GET',
        rolesOf(project),
      );
      return Object.entries(roles).map(([name, { transient_metadata: _license, ...descriptor }]) => ({
        name,
        descriptor,
      }));
    },
    deleteRole: async (project, name) => {
      await call('DELETE', `${rolesOf(project)}/${encodeURIComponent(name)}`);
    },
    close: async () => {},
  };
}

interface Options {
  body?: unknown;
  /** Makes something: repetitions are marked as such. */
  once?: boolean;
}

function caller({ url, credential }: Remote) {
  const base = url.replace(/\/+$/, '');
  async function call<Answer>(method: string, path: string, options: Options = {}): Promise<Answer> {
    const init: RequestInit = {
      method,
      headers: {
        authorization: `ApiKey ${credential}`,
        ...(options.body !== undefined && { 'content-type': 'application/json' }),
        ...(options.once && { 'idempotency-key': randomUUID() }),
      },
      ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
    };
    for (let attempt = 1; ; attempt += 1) {
      const answer = await ask(`${base}${path}`, init);
      if (answer.status < 300) return answer.body as Answer;
      const error = new RemoteError(answer.status, errorsOf(answer));
      if (answer.status !== 503 || attempt === ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
  return { call };
}

interface RawAnswer {
  status: number;
  body: unknown;
}

/** A service that cannot be reached is answered as one that says 503. */
async function ask(url: string, init: RequestInit): Promise<RawAnswer> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : parse(text) };
  } catch (error) {
    const cause =
      (error as Error).cause instanceof Error ? ((error as Error).cause as Error) : (error as Error);
    const code = 'code' in cause ? String(cause.code) : cause.message;
    const message = `The control plane at ${new URL(url).origin} cannot be reached (${code}).`;
    return { status: 503, body: { errors: [{ code: 'root.unavailable', message }] } };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function errorsOf({ status, body }: RawAnswer): RemoteError['errors'] {
  const { errors } = (body ?? {}) as { errors?: RemoteError['errors'] };
  if (Array.isArray(errors) && errors.length > 0) return errors;
  return [{ code: 'cli.unexpected_answer', message: `The service answered ${status} without saying why.` }];
}
