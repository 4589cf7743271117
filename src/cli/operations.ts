import type { AuditEvent } from '../control-plane/audit/audit-event.ts';
import type { AuditPage } from '../control-plane/audit/audit-trail.ts';
import type { KeyLifecycle } from '../control-plane/keys/key-lifecycle.ts';
import type { KeyView, KeyWithCredential } from '../control-plane/keys/key-view.ts';
import type { KeyPage } from '../control-plane/keys/list-keys.ts';
import type { Principal } from '../control-plane/principal.ts';
import {
  type CustomRole,
  type CustomRoles,
  type Project,
  roleId,
} from '../control-plane/roles/custom-roles.ts';
import type { LoadedSet } from '../database/predefined-roles.ts';
import type { IamError } from '../errors.ts';
import type { PredefinedRole, PredefinedSet } from '../roles/predefined-set.ts';
import type { ProjectType } from '../roles/project-type.ts';
import type { RoleDescriptor } from '../roles/role-descriptor.ts';
import { UsageError } from './command-failure.ts';

/** The control plane over HTTP. */
export interface HttpTarget {
  /** @throws {RemoteError} for any response that is not 2xx */
  call<Body>(method: string, path: string, options?: HttpCallOptions): Promise<Body>;
}

export interface HttpCallOptions {
  body?: unknown;
  /** The call creates something: retries share one idempotency key. */
  idempotent?: boolean;
}

/** The primary, for an operator who can log in to it. */
export interface DatabaseTarget {
  keys: KeyLifecycle;
  roles: CustomRoles;
  loadPredefined(set: PredefinedSet, options: { force: boolean; dryRun: boolean }): Promise<LoadedSet>;
  audit(organizationId: string, query: Record<string, string>): Promise<AuditPage>;
  /** The operator in the organization of the command line, or in the only one. */
  inOrganization(): Promise<Principal>;
  /** The operator in the organization of the command line, or in that of the key. */
  inOrganizationOf(keyId: string): Promise<Principal>;
  /** Records that the database refused the operation. */
  recordRefusal(attempt: AuditedAttempt, error: IamError): Promise<void>;
}

/** What the audit trail records about a refused operation. */
type AuditedAttempt = Pick<AuditEvent, 'action' | 'targetType' | 'targetId' | 'requested'>;

/** One operation of the CLI in both transports, which return the same result. */
export interface Operation<Input, Result> {
  /** Only for changes. Over HTTP, the control plane records refusals. */
  audited?(input: Input): AuditedAttempt;
  http(target: HttpTarget, input: Input): Promise<Result>;
  database(target: DatabaseTarget, input: Input): Promise<Result>;
}

const KEYS = '/api/v1/users/auth/keys';
export const keyPath = (id: string) => `${KEYS}/${encodeURIComponent(id)}`;
const rolesPath = ({ projectType, projectId }: Project) =>
  `/api/v1/projects/${encodeURIComponent(projectType)}/${encodeURIComponent(projectId)}/roles`;
const rolePath = (project: Project, name: string) => `${rolesPath(project)}/${encodeURIComponent(name)}`;

interface NewKeyInput {
  body: { description: string; expiration?: string; role_assignments?: unknown };
  internal: boolean;
}

export const createKey: Operation<NewKeyInput, KeyWithCredential> = {
  audited: ({ body }) => ({ action: 'api_key.create', targetType: 'api_key', requested: body }),
  http: async (target, { body, internal }) => {
    if (internal) throw new UsageError('--internal works only with PRIMARY_DATABASE_URL, not over HTTP.');
    return target.call('POST', KEYS, { body, idempotent: true });
  },
  database: async ({ keys, inOrganization }, { body, internal }) => {
    if (body.role_assignments === undefined) {
      throw new UsageError(
        '--same-permissions-as-mine works only over HTTP: with PRIMARY_DATABASE_URL, no key runs the command.',
      );
    }
    return (await keys.create(await inOrganization(), body, { internal })).key;
  },
};

export const listKeys: Operation<Record<string, string>, KeyPage> = {
  http: (target, query) => target.call('GET', `${KEYS}?${new URLSearchParams(query)}`),
  database: async ({ keys, inOrganization }, query) =>
    keys.list((await inOrganization()).organizationId, query),
};

export const showKey: Operation<string, KeyView> = {
  http: (target, id) => target.call('GET', `${keyPath(id)}?status=all`),
  database: async ({ keys, inOrganizationOf }, id) =>
    keys.show((await inOrganizationOf(id)).organizationId, id, true),
};

export const revokeKeys: Operation<{ ids: readonly string[]; force: boolean }, void> = {
  audited: ({ ids }) => ({
    action: 'api_key.revoke',
    targetType: 'api_key',
    targetId: ids.length === 1 ? ids[0] : undefined,
    requested: { keys: ids },
  }),
  http: async (target, { ids, force }) => {
    await target.call('DELETE', `${KEYS}?force=${force}`, { body: { keys: ids } });
  },
  database: async ({ keys, inOrganizationOf }, { ids, force }) =>
    keys.revokeMany(await inOrganizationOf(ids[0] ?? ''), { keys: ids }, { force }),
};

interface RotationInput {
  id: string;
  body: Record<string, string>;
  force: boolean;
}

export const rotateKey: Operation<RotationInput, KeyWithCredential> = {
  audited: ({ id, body }) => ({
    action: 'api_key.rotate',
    targetType: 'api_key',
    targetId: id,
    requested: body,
  }),
  http: (target, { id, body, force }) =>
    target.call('POST', `${keyPath(id)}/_rotate?force=${force}`, { body, idempotent: true }),
  database: async ({ keys, inOrganizationOf }, { id, body, force }) =>
    (await keys.rotate(await inOrganizationOf(id), id, body, { force })).key,
};

interface RoleInput {
  project: Project;
  name: string;
  descriptor: unknown;
  strict: boolean;
}

export const putRole: Operation<RoleInput, { warnings: readonly string[] }> = {
  audited: ({ project, name, descriptor }) => ({
    action: 'role.put',
    targetType: 'role',
    targetId: roleId(project, name),
    requested: descriptor,
  }),
  http: async (target, { project, name, descriptor, strict }) => {
    const path = `${rolePath(project, name)}?strict=${strict}`;
    const { warnings = [] } = await target.call<{ warnings?: string[] }>('PUT', path, { body: descriptor });
    return { warnings };
  },
  database: async ({ roles, inOrganization }, { project, name, descriptor, strict }) =>
    roles.put(await inOrganization(), project, name, descriptor, { strict }),
};

export const readAudit: Operation<Record<string, string>, AuditPage> = {
  http: (target, query) => target.call('GET', `/api/v1/audit?${new URLSearchParams(query)}`),
  database: async ({ audit, inOrganization }, query) => audit((await inOrganization()).organizationId, query),
};

interface RemotePredefinedRoles {
  roles: { project_type: ProjectType; name: string; descriptor: RoleDescriptor }[];
}

export const listPredefinedRoles: Operation<undefined, PredefinedRole[]> = {
  http: async (target) =>
    (await target.call<RemotePredefinedRoles>('GET', '/api/v1/roles')).roles.map(
      ({ project_type: projectType, name, descriptor }) => ({ projectType, name, descriptor }),
    ),
  database: ({ roles }) => roles.predefined(),
};

interface PredefinedLoad {
  set: PredefinedSet;
  force: boolean;
  dryRun: boolean;
}

/** SQLSTATE */
const INSUFFICIENT_PRIVILEGE = '42501';

export const loadPredefinedRoles: Operation<PredefinedLoad, LoadedSet> = {
  audited: ({ set: { version } }) => ({
    action: 'predefined_roles.load',
    targetType: 'role',
    requested: { version },
  }),
  http: async () => {
    throw new UsageError(
      'Predefined roles belong to all organizations: load them with PRIMARY_DATABASE_URL.',
    );
  },
  database: ({ loadPredefined }, { set, ...options }) =>
    loadPredefined(set, options).catch((error: unknown) => {
      if ((error as { code?: unknown }).code !== INSUFFICIENT_PRIVILEGE) throw error;
      throw new UsageError(
        'The login of PRIMARY_DATABASE_URL may not change predefined roles. Set it to the login of "iam migrate" for this command.',
      );
    }),
};

type RemoteRoles = Record<string, RoleDescriptor & { transient_metadata?: unknown }>;

export const listRoles: Operation<Project, CustomRole[]> = {
  http: async (target, project) =>
    Object.entries(await target.call<RemoteRoles>('GET', rolesPath(project))).map(
      ([name, { transient_metadata: _outputOnly, ...descriptor }]) => ({ name, descriptor }),
    ),
  database: async ({ roles, inOrganization }, project) =>
    roles.list((await inOrganization()).organizationId, project),
};

export const deleteRole: Operation<{ project: Project; name: string }, void> = {
  audited: ({ project, name }) => ({
    action: 'role.delete',
    targetType: 'role',
    targetId: roleId(project, name),
  }),
  http: async (target, { project, name }) => {
    await target.call('DELETE', rolePath(project, name));
  },
  database: async ({ roles, inOrganization }, { project, name }) =>
    roles.remove(await inOrganization(), project, name),
};
