import elasticsearch from './predefined/elasticsearch.json' with { type: 'json' };
import observability from './predefined/observability.json' with { type: 'json' };
import security from './predefined/security.json' with { type: 'json' };
import vectordb from './predefined/vectordb.json' with { type: 'json' };
import workplaceai from './predefined/workplaceai.json' with { type: 'json' };
import { PROJECT_TYPES, type ProjectType } from './project-type.ts';
import { type RoleDescriptor, roleDescriptorSchema } from './role-descriptor-schema.ts';

const files: Record<ProjectType, Record<string, unknown>> = {
  elasticsearch,
  observability,
  security,
  vectordb,
  workplaceai,
};

/** The roles that every project of a type has, as Elastic publishes them. Callers must not change these objects. */
export const predefinedRoles: readonly {
  projectType: ProjectType;
  name: string;
  descriptor: RoleDescriptor;
}[] = PROJECT_TYPES.flatMap((projectType) =>
  Object.entries(files[projectType]).map(([name, descriptor]) => ({
    projectType,
    name,
    descriptor: roleDescriptorSchema.parse(descriptor),
  })),
);

const names: ReadonlySet<string> = new Set(predefinedRoles.map((role) => `${role.projectType}/${role.name}`));

export function isPredefinedRole(projectType: ProjectType, name: string): boolean {
  return names.has(`${projectType}/${name}`);
}
