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
 * Parses CONVERT_ALLOWED_HOSTS, a list of `origin=organization/type/project`. The list prevents server-side request forgery, and
 * assigns each endpoint to a project.
 * @throws {ConfigError}
 */
export function allowedEndpoints(entries: readonly string[]): ReadonlyMap<string, EndpointProject> {
  return new Map(
    entries.map((entry) => {
      const parsed = parse(entry);
      if (parsed === undefined) {
        throw new ConfigError(
          'CONVERT_ALLOWED_HOSTS: each entry must be origin=organization/type/project, for example https://es.example.com=org-1/elasticsearch/my-project',
        );
      }
      return [parsed.origin, parsed];
    }),
  );
}

function parse(entry: string): EndpointProject | undefined {
  const equals = entry.indexOf('=');
  const origin = originOf(entry.slice(0, equals));
  const [organizationId, type = '', projectId, ...rest] = entry.slice(equals + 1).split('/');
  const projectType = canonicalProjectType(type);
  if (origin === undefined || !organizationId || projectType === undefined || !projectId || rest.length > 0) {
    return undefined;
  }
  return { origin, organizationId, projectType, projectId };
}

/** @returns the origin of a URL that has no path, user or query; otherwise `undefined` */
export function originOf(endpoint: string): string | undefined {
  if (!URL.canParse(endpoint)) return undefined;
  const url = new URL(endpoint);
  const bare = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  return bare && url.password === '' && /^https?:$/.test(url.protocol) ? url.origin : undefined;
}
