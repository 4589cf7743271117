/** The places of docs/architecture.md and what each may import; a place may always import itself. */
const MAY_IMPORT = require('./.dependency-directions.json');

const PLACES = Object.keys(MAY_IMPORT);
/** `src/keys` does not include `src/keys/cache`, which has its own row. `src` includes all its places. */
const nestedIn = (place) =>
  MAY_IMPORT[place] ? PLACES.filter((other) => other.startsWith(`${place}/`)) : [];
const withAlternatives = (place) =>
  place.replace(/\{(.*)\}/, (_braces, names) => `(${names.replaceAll(',', '|')})`);
/** Matches the files of a place. */
function pattern(place) {
  if (/\.[jt]s$/.test(place)) return `^${place.replaceAll('.', '\\.')}$`;
  const nested = nestedIn(place).map((other) => `${withAlternatives(other.slice(place.length + 1))}/`);
  return `^${withAlternatives(place)}/${nested.length === 0 ? '' : `(?!${nested.join('|')})`}`;
}

/** The direction of dependencies, as docs/architecture.md states it. */
module.exports = {
  forbidden: [
    ...PLACES.map((place) => ({
      name: `imports-of-${place}`,
      comment: `${place} may import only: ${MAY_IMPORT[place].join(', ') || 'nothing of ours'}`,
      severity: 'error',
      from: { path: pattern(place) },
      to: { path: '^(src|scripts|dev|bench|test)/', pathNot: [place, ...MAY_IMPORT[place]].map(pattern) },
    })),
    {
      name: 'no-file-without-a-place',
      comment:
        'a new file or folder of src/ needs a row in docs/architecture.md and .dependency-directions.json',
      severity: 'error',
      from: { path: '^src/', pathNot: PLACES.map(pattern) },
      to: {},
    },
    {
      name: 'migrations-and-deploy-are-data',
      comment: 'the program reads migrations/ as files; nothing imports them or deploy/',
      severity: 'error',
      from: {},
      to: { path: '^(migrations|deploy)/' },
    },
    { name: 'no-circular', severity: 'error', from: { path: '^(src|dev)/' }, to: { circular: true } },
    {
      name: 'pure-modules-do-no-io',
      severity: 'error',
      from: { path: '^src/(credential|roles)/' },
      to: {
        path: '^(node:)?(fs|fs/promises|net|http|https|child_process|dns|tls|dgram)$',
        dependencyTypes: ['core'],
      },
    },
    {
      name: 'node-http-by-one-way',
      comment: 'importing it loads an HTTP client: src/http/node-http.ts says why',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(node:)?http$', dependencyTypes: ['core'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
};
