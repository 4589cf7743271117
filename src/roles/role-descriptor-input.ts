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

/**
 * Converts the forms that Elasticsearch also accepts into the stored form: a single string becomes a list, a `query`
 * object becomes its JSON text, and `transient_metadata` is dropped. All other values stay unchanged, even invalid ones.
 */
export function normaliseRoleDescriptor(input: Fields): Fields {
  const { transient_metadata: _ignored, ...descriptor } = input;
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
