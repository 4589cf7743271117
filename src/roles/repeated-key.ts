/** Strings and structural characters of JSON. Numbers and literals need no attention. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g;

/**
 * Returns a key that occurs twice in one object. `JSON.parse` silently drops the first of the two values.
 * @param json text that `JSON.parse` accepts
 */
export function repeatedKey(json: string): string | undefined {
  /** The keys of each open object; `undefined` for an array. */
  const open: (Set<string> | undefined)[] = [];
  let isKeyNext = false;
  for (const [token] of json.matchAll(TOKENS)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ',' && isKeyNext) {
      const keys = open.at(-1);
      const key = JSON.parse(token) as string;
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
    isKeyNext = token === '{' || (token === ',' && open.at(-1) !== undefined);
  }
  return undefined;
}
