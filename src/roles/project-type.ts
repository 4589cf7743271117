/** The kinds of serverless project that keys can be given roles on. */
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
 * The type that a name stands for: nodes of an elasticsearch project also announce themselves by their flavour
 * (`elasticsearch_general_purpose`). `undefined` for a name that means no type.
 */
export function canonicalProjectType(name: string): ProjectType | undefined {
  if (known.has(name)) return name as ProjectType;
  return name.startsWith(FLAVOUR) && name.length > FLAVOUR.length ? 'elasticsearch' : undefined;
}
