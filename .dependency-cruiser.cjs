/** The direction of dependencies, as docs/architecture.md draws it. */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'credential-is-pure',
      comment: 'credential/ imports nothing of ours and does no I/O',
      severity: 'error',
      from: { path: '^src/credential/' },
      to: { path: '^src/', pathNot: '^src/credential/' },
    },
    {
      name: 'roles-is-pure',
      comment: 'roles/ imports nothing of ours and does no I/O',
      severity: 'error',
      from: { path: '^src/roles/' },
      to: { path: '^src/', pathNot: '^src/roles/' },
    },
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
      name: 'regional-never-imports-control-plane',
      severity: 'error',
      from: { path: '^src/regional/' },
      to: { path: '^src/control-plane/' },
    },
    {
      name: 'control-plane-never-imports-regional',
      severity: 'error',
      from: { path: '^src/control-plane/' },
      to: { path: '^src/regional/' },
    },
    {
      name: 'shared-code-knows-no-server',
      severity: 'error',
      from: { path: '^src/(http|keys)/' },
      to: { path: '^src/(regional|control-plane|cli)/' },
    },
    {
      name: 'keys-know-no-http',
      severity: 'error',
      from: { path: '^src/keys/' },
      to: { path: '^src/http/' },
    },
    {
      name: 'change-feed-never-imports-the-caches',
      comment: 'the caches follow the feed as its listeners; the feed knows only that interface',
      severity: 'error',
      from: { path: '^src/keys/change-feed/' },
      to: { path: '^src/keys/cache/' },
    },
    {
      name: 'node-http-by-one-way',
      comment: 'importing it loads an HTTP client: src/http/node-http.ts says why',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(node:)?http$', dependencyTypes: ['core'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'lib-knows-nothing-of-iam',
      comment: 'lib/ imports nothing of ours',
      severity: 'error',
      from: { path: '^src/lib/' },
      to: { path: '^src/', pathNot: '^src/lib/' },
    },
    {
      name: 'resources-never-import-the-edge',
      comment: 'the folders of control-plane/ that hold a resource know neither HTTP nor routes',
      severity: 'error',
      from: { path: '^src/control-plane/(keys|roles|audit|organizations|convert|expiry)/' },
      to: { path: '^src/control-plane/(http|routes)/' },
    },
    {
      name: 'product-never-imports-the-local-stack',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^dev/' },
    },
    { name: 'not-to-test', severity: 'error', from: { path: '^(src|dev)/' }, to: { path: '^(test|bench)/' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
};
