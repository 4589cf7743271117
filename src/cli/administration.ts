import type { KeyView, KeyWithCredential } from '../control-plane/keys/key-view.ts';
import type { KeyPage } from '../control-plane/keys/list-keys.ts';
import type { CustomRole, Project } from '../control-plane/roles/custom-roles.ts';

/** Body of a creation, as HTTP takes it; `internal` only at the database. */
interface CreateRequest {
  body: { description: string; expiration?: string; role_assignments?: unknown };
  internal: boolean;
}

/** What the commands need done, at the database or over HTTP: both answer the same shapes. */
export interface Administration {
  createKey(request: CreateRequest): Promise<KeyWithCredential>;
  listKeys(query: Record<string, string>): Promise<KeyPage>;
  showKey(id: string): Promise<KeyView>;
  revokeKeys(ids: readonly string[], force: boolean): Promise<void>;
  rotateKey(id: string, body: Record<string, string>, force: boolean): Promise<KeyWithCredential>;
  putRole(project: Project, name: string, descriptor: unknown): Promise<{ warnings: readonly string[] }>;
  listRoles(project: Project): Promise<CustomRole[]>;
  deleteRole(project: Project, name: string): Promise<void>;
  close(): Promise<void>;
}
