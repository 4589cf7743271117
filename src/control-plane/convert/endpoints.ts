import { ConfigError } from '../../config.ts';
import { canonicalProjectType, type ProjectType } from '../../roles/project-type.ts';

/** The project that an Elasticsearch endpoint belongs to. */
export interface EndpointProject {
  origin: string;
  organizationId: string;
  projectType: ProjectType;
  projectId: string;
}

/**
 * Reads CONVERT_ALLOWED_HOSTS: `origin=organization/type/project` each. The list is what keeps a caller from making
 * this service call any address it can reach, and what says whose project the permissions are for.
 * @throws {ConfigError}
 */
export function allowedEndpoints(entries: readonly string[]): ReadonlyMap<string, EndpointProject> {
  return new Map(
    entries.map((entry) => {
      const parsed = parse(entry);
      if (parsed === undefined) {
        throw new ConfigError(
          'CONVERT_ALLOWED_HOSTS: each entry is origin=organization/type/project, as in https://es.example.com=org-1/elasticsearch/my-project',
        );
      }
      return [parsed.origin, parsed];
    }),
  );
}

function parse(entry: string): EndpointProject | undefined {
  const equals = entry.indexOf('=');
  const origin = originOf(entry.slice(0, equals));
  const [organizationId, type = '', projectId, ...more] = entry.slice(equals + 1).split('/');
  const projectType = canonicalProjectType(type);
  if (origin === undefined || !organizationId || projectType === undefined || !projectId || more.length > 0) {
    return undefined;
  }
  return { origin, organizationId, projectType, projectId };
}

/** Scheme, host and port of a URL without a path, a user or a query; `undefined` for anything else. */
export function originOf(endpoint: string): string | undefined {
  if (!URL.canParse(endpoint)) return undefined;
  const url = new URL(endpoint);
  const bare = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  return bare && url.password === '' && /^https?:$/.test(url.protocol) ? url.origin : undefined;
}
