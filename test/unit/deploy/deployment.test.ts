import { access, readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { COMMAND_VARIABLES } from '../../../src/cli/command-variables.ts';
import { type Environment, loadConfig, settings } from '../../../src/config.ts';

const root = new URL('../../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

/** The documents of a file, which are valid YAML. */
// biome-ignore lint/suspicious/noExplicitAny: tests read single fields
async function manifests(path: string): Promise<any[]> {
  return parseAllDocuments(await read(path)).map((document) => {
    expect('errors' in document ? document.errors : [], path).toEqual([]);
    return document.toJS();
  });
}

it('docker-compose.yml is valid, sets only known variables, and depends only on its own services', async () => {
  const { services } = parse(await read('docker-compose.yml'), { merge: true });
  expect(Object.keys(services)).toEqual(
    expect.arrayContaining([
      'primary',
      'region',
      'redis',
      'migrate-region',
      'migrate-primary',
      'regional',
      'control-plane',
    ]),
  );
  const known = [...Object.keys(settings), ...COMMAND_VARIABLES.map((variable) => variable.name)];
  for (const [name, service] of Object.entries<Record<string, unknown>>(services)) {
    for (const other of Object.keys(service.depends_on ?? {})) expect(services, name).toHaveProperty(other);
    if (service.build === undefined) continue;
    for (const variable of Object.keys(service.environment ?? {})) {
      expect(known, name).toContain(variable);
    }
  }
});

it('docker-compose.yml contains no secret: all come from the environment', async () => {
  for (const line of (await read('docker-compose.yml')).split('\n')) {
    const [, value] = /(?:PASSWORD|SECRETS|CACHE_KEYS): (.*)$/.exec(line) ?? [];
    if (value !== undefined) expect(value).toMatch(/^\$\{[A-Z_]+(:\?[^}]*)?\}$/);
    expect(line).not.toMatch(/:\/\/[^:@/]+:[^$@]+@/);
  }
});

it('pins the base images by digest, and runs the Node.js that the tests run on', async () => {
  const bases = [...(await read('Dockerfile')).matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
  const { services } = parse(await read('docker-compose.yml'), { merge: true });
  const pulled = Object.values<Record<string, string>>(services).filter(
    (service) => service.build === undefined,
  );
  expect(pulled.length).toBeGreaterThan(0);
  for (const image of [...bases, ...pulled.map((service) => service.image)]) {
    expect(image).toMatch(/^[a-z]+:\d+\.\d+(\.\d+)?[a-z-]*@sha256:[0-9a-f]{64}$/);
  }
  const { devDependencies } = JSON.parse(await read('package.json'));
  for (const base of bases) expect(base).toContain(`node:${devDependencies.node}-slim@`);
});

const PROBES = {
  regional: { startupProbe: '/startupz', readinessProbe: '/readyz', livenessProbe: '/livez' },
  'control-plane': { readinessProbe: '/readyz', livenessProbe: '/livez' },
};

it.each(['regional', 'control-plane'] as const)(
  'the Kubernetes manifest %s is valid, and selectors, probes and policies match its pods',
  async (component) => {
    const [deployment, service, budget] = await manifests(`deploy/${component}.yaml`);
    const { labels } = deployment.spec.template.metadata;
    expect(deployment.spec.selector.matchLabels).toEqual(labels);
    expect(service.spec.selector).toEqual(labels);
    expect(budget.spec.selector.matchLabels).toEqual(labels);

    const [container] = deployment.spec.template.spec.containers;
    expect(container.args).toEqual([component]);
    const ports = container.ports.map((port: { name: string }) => port.name);
    expect(ports).toContain(service.spec.ports[0].targetPort);
    for (const [probe, path] of Object.entries(PROBES[component])) {
      expect(container[probe].httpGet).toEqual({ path, port: 'management' });
    }
    for (const { name } of container.env) expect(settings).toHaveProperty(name);
    // By default only the pod itself reaches its management port, and the kubelet is outside of it.
    expect(container.env).toContainEqual({
      name: 'MANAGEMENT_HOST',
      valueFrom: { fieldRef: { fieldPath: 'status.podIP' } },
    });
    const drainSeconds = 8 + container.lifecycle.preStop.sleep.seconds;
    expect(deployment.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(drainSeconds);
    const [monitor] = await manifests('deploy/metrics.yaml');
    expect(labels).toMatchObject(monitor.spec.selector.matchLabels);
    const policy = await policyOf(labels);
    const open: { from: unknown[]; ports: { port: string }[] }[] = policy.spec.ingress;
    expect(open.map((rule) => rule.ports)).toEqual([[{ port: 'http' }], [{ port: 'management' }]]);
    for (const { from } of open) {
      expect(from.length).toBeGreaterThan(0);
      // An empty selector means every pod of the cluster.
      for (const peer of from) expect(JSON.stringify(peer)).toContain('matchLabels');
    }
  },
);

it('the regional pods call the service of the control plane, whose policy lets them', async () => {
  const [regional] = await manifests('deploy/regional.yaml');
  const [controlPlane, service] = await manifests('deploy/control-plane.yaml');
  const [container] = regional.spec.template.spec.containers;
  expect(container.env).toContainEqual({
    name: 'CONTROL_PLANE_URL',
    value: `http://${service.metadata.name}`,
  });
  const policy = await policyOf(controlPlane.spec.template.metadata.labels);
  const [{ from }] = policy.spec.ingress;
  expect(from).toContainEqual({
    namespaceSelector: {},
    podSelector: { matchLabels: regional.spec.template.metadata.labels },
  });
});

async function policyOf(labels: object) {
  const policies = await manifests('deploy/network-policy.yaml');
  const found = policies.filter(({ spec }) => isDeepStrictEqual(spec.podSelector.matchLabels, labels));
  expect(found.map(({ kind, spec }) => [kind, spec.policyTypes])).toEqual([['NetworkPolicy', ['Ingress']]]);
  return found[0];
}

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; runbook_url: string };
}
const alertRules = async (): Promise<Rule[]> =>
  parse(await read('deploy/alerts.yaml')).spec.groups.flatMap((group: { rules: Rule[] }) => group.rules);
const metricsOf = (expression: string) => expression.match(/\biam_\w+/g) ?? [];

it('the alerts have names of their own, name metrics that exist, and lead to a chapter of the guide', async () => {
  expect(parse(await read('deploy/alerts.yaml')).kind).toBe('PrometheusRule');
  const rules = await alertRules();
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  const metrics = await read('docs/metrics.md');
  for (const { alert, expr, labels, annotations } of rules) {
    expect(metricsOf(expr), alert).not.toEqual([]);
    for (const name of metricsOf(expr)) expect(metrics, alert).toContain(`\`${name}\``);
    expect(expr.split('(').length, alert).toBe(expr.split(')').length);
    expect(['critical', 'warning'], alert).toContain(labels.severity);
    expect(annotations.summary, alert).toMatch(/^[A-Z].*\.$/);
    const [page = '', chapter] = annotations.runbook_url.split('#');
    const chapters = (await read(page)).match(/^#+ .*$/gm) ?? [];
    const anchors = chapters.map((line) => line.replace(/^#+ /, '').toLowerCase().replaceAll(' ', '-'));
    expect(anchors, alert).toContain(chapter);
  }
});

it.each([
  'iam_heartbeat_age_seconds',
  'iam_change_feed_age_seconds',
  'iam_diverged_buckets',
  'iam_unverified_buckets',
  'iam_replica_trusted',
  'iam_slot_usable',
  'iam_slot_retained_bytes',
  'iam_slot_ahead_bytes',
  'iam_standby_slots_missing',
  'iam_lost_revocations',
  'iam_clock_offset_seconds',
  'iam_redis_up',
  'iam_redis_commands_total',
  'iam_certificate_expiry_timestamp_seconds',
  'iam_crl_expiry_timestamp_seconds',
  'iam_ended_sessions_total',
  'iam_forwarded_calls_total',
  'iam_notification_queue_usage',
])('an alert watches %s, which the guide explains', async (name) => {
  expect((await alertRules()).flatMap(({ expr }) => metricsOf(expr))).toContain(name);
  expect(await read('docs/operations.md')).toContain(`${name}`);
});

const SERVICES = { regional: 'REPLICA_DATABASE_URL', 'control-plane': 'PRIMARY_DATABASE_URL' } as const;
const SECRET = 'a-secret-of-24-characters';
/** Values of the secrets that an operator makes. */
const SECRETS: Environment = {
  POSTGRES_PASSWORD: SECRET,
  IAM_REGIONAL_PASSWORD: SECRET,
  IAM_CONTROL_PLANE_PASSWORD: SECRET,
  IAM_REPLICATOR_PASSWORD: SECRET,
  CLIENT_AUTHENTICATION_SECRETS: SECRET,
  FORWARDING_SECRETS: `${SECRET}-2`,
  CACHE_KEYS: Buffer.alloc(32, 1).toString('base64'),
  REDIS_URL: 'rediss://redis.test:6379',
  REPLICA_DATABASE_URL: 'postgres://iam_regional:x@replica.test/iam?sslmode=verify-full',
  PRIMARY_DATABASE_URL: 'postgres://iam_control_plane:x@primary.test/iam?sslmode=verify-full',
};

/** As Compose replaces variables. */
function interpolated(value: string): string {
  return value.replace(/\$\{([A-Z_]+)(?::\?[^}]*)?\}/g, (_, name: string) => {
    expect(SECRETS, 'the head of docker-compose.yml').toHaveProperty(name);
    return SECRETS[name] ?? '';
  });
}

describe.each(Object.entries(SERVICES))('the settings of %s', (service, required) => {
  it('in docker-compose.yml are valid', async () => {
    const { services } = parse(await read('docker-compose.yml'), { merge: true });
    const environment = Object.fromEntries(
      Object.entries<string>(services[service].environment).map(([name, value]) => [
        name,
        interpolated(value),
      ]),
    );
    expect(loadConfig(environment, [required]).ALLOW_PLAINTEXT).toBe(true);
    expect(() => loadConfig({ ...environment, CLIENT_AUTHENTICATION_SECRETS: 'short' })).toThrow(
      'at least 16',
    );
  });

  it('in the Kubernetes manifest, with the secret that its head describes, are valid', async () => {
    const file = await read(`deploy/${service}.yaml`);
    const [deployment] = await manifests(`deploy/${service}.yaml`);
    const [container] = deployment.spec.template.spec.containers;
    const inSecret = (
      file.slice(0, file.indexOf('apiVersion')).match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? []
    ).filter((name) => name in SECRETS);
    const fields: Environment = { 'status.podIP': '10.1.2.3' };
    const environment: Environment = Object.fromEntries([
      ...inSecret.map((name) => [name, SECRETS[name]]),
      ...container.env.map(({ name, value, valueFrom }: Variable) => [
        name,
        value ?? fields[valueFrom?.fieldRef.fieldPath ?? ''],
      ]),
    ]);
    expect(inSecret).toContain(required);
    expect(loadConfig(environment, [required]).MANAGEMENT_HOST).toBe('10.1.2.3');
    const proxies = /# - \{ name: TRUSTED_PROXIES, value: "(.*)" \}/.exec(file)?.[1];
    expect(loadConfig({ ...environment, TRUSTED_PROXIES: proxies }).TRUSTED_PROXIES).toHaveLength(1);
  });
});

interface Variable {
  name: string;
  value?: string;
  valueFrom?: { fieldRef: { fieldPath: string } };
}

it('the servers of docker-compose.yml bound the WAL that a region which is down can keep', async () => {
  const { services } = parse(await read('docker-compose.yml'), { merge: true });
  for (const server of ['primary', 'region'])
    expect(services[server].command).toContainEqual(expect.stringMatching(/^max_slot_wal_keep_size=\d+GB$/));
});

it('every file that the Dockerfile copies exists, and .dockerignore lets it in', async () => {
  const allowed = (await read('.dockerignore')).split('\n');
  const copies = [...(await read('Dockerfile')).matchAll(/^COPY (?!--from)(.*) \S+$/gm)];
  const sources = copies.flatMap(([, files = '']) => files.split(' '));
  expect(sources).toEqual(expect.arrayContaining(['package.json', 'package-lock.json', 'migrations', 'src']));
  for (const source of sources) {
    await access(new URL(source, root));
    expect(allowed).toContain(`!${source}`);
  }
});
