/** The types of serverless projects on which a key can have roles. */
export const PROJECT_TYPES = [
  'elasticsearch',
  'observability',
  'security',
  'vectordb',
  'workplaceai',
] as const;

export type ProjectType = (typeof PROJECT_TYPES)[number];

const FLAVOUR = 'elasticsearch_';
const known: ReadonlySet<string> = new Set(PROJECT_TYPES);

/**
 * Returns the project type of a name, or `undefined` if the name is unknown. Nodes of an elasticsearch project may send
 * their flavour instead of the type, such as `elasticsearch_general_purpose`.
 */
export function canonicalProjectType(name: string): ProjectType | undefined {
  if (known.has(name)) return name as ProjectType;
  return name.startsWith(FLAVOUR) && name.length > FLAVOUR.length ? 'elasticsearch' : undefined;
}
