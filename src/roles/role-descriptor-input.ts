import type { Violation } from './violation.ts';

/** Of any input. The control plane has a lower limit for new roles, `MAX_ROLE_BYTES`. */
const MAX_DESCRIPTOR_BYTES = 256 * 1024;
const MAX_DEPTH = 32;

type Fields = Record<string, unknown>;

const LISTS = ['names', 'privileges', 'clusters', 'resources'] as const;

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns how a JSON value is too large, if it is. The depth is checked first because serialisation is recursive. */
export function sizeProblem(input: unknown): string | undefined {
  if (isDeeperThan(input, MAX_DEPTH)) return `must not be nested deeper than ${MAX_DEPTH} levels`;
  const bytes = Buffer.byteLength(JSON.stringify(input) ?? '');
  return bytes > MAX_DESCRIPTOR_BYTES ? `must have at most ${MAX_DESCRIPTOR_BYTES} bytes of JSON` : undefined;
}

const ALIASES = { index: 'indices', application: 'applications' } as const;

/** Returns the fields that the input has under both of their names. */
export function repeatedAliases(input: Fields): Violation[] {
  return Object.entries(ALIASES)
    .filter(([alias, field]) => Object.hasOwn(input, alias) && Object.hasOwn(input, field))
    .map(([alias, field]) => ({
      path: alias,
      message: `is another name of "${field}": send only one of them`,
    }));
}

/**
 * Converts the forms that Elasticsearch also accepts into the stored form: the aliases `index` and `application` get their
 * full names, a single string becomes a list, a `query` object becomes its JSON text, and null or an empty `query` counts
 * as absent where Elasticsearch does the same. `transient_metadata` and `type` are dropped. All other values stay
 * unchanged, even invalid ones. Source: `RoleDescriptor.Parser` of Elasticsearch.
 */
export function normaliseRoleDescriptor(input: Fields): Fields {
  const { transient_metadata: _ignored, type: _type, ...descriptor } = input;
  for (const [alias, field] of Object.entries(ALIASES)) {
    if (!Object.hasOwn(descriptor, alias)) continue;
    if (!Object.hasOwn(descriptor, field)) descriptor[field] = descriptor[alias];
    delete descriptor[alias];
  }
  for (const field of ['cluster', 'run_as']) if (descriptor[field] === null) delete descriptor[field];
  for (const field of ['indices', 'applications', 'remote_indices', 'remote_cluster']) {
    const entries = descriptor[field];
    if (Array.isArray(entries)) descriptor[field] = entries.map(normaliseEntry);
  }
  return descriptor;
}

function normaliseEntry(entry: unknown): unknown {
  if (!isObject(entry)) return entry;
  const normal = { ...entry };
  for (const field of LISTS) {
    if (typeof normal[field] === 'string') normal[field] = [normal[field]];
  }
  if (normal.query === null || normal.query === '') delete normal.query;
  if (isObject(normal.query)) normal.query = JSON.stringify(normal.query);
  return normal;
}

function isDeeperThan(input: unknown, limit: number): boolean {
  const pending: { value: unknown; depth: number }[] = [{ value: input, depth: 1 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > limit) return true;
    for (const child of Object.values(value)) pending.push({ value: child, depth: depth + 1 });
  }
  return false;
}
