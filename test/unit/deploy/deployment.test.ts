import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { COMMAND_VARIABLES } from '../../../src/cli/command-variables.ts';
import { settings } from '../../../src/config.ts';

const root = new URL('../../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

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

it('the Kubernetes manifests are valid, and their selectors and probes match the pods', async () => {
  const documents = parseAllDocuments(await read('deploy/regional.yaml'));
  for (const document of documents) expect('errors' in document ? document.errors : []).toEqual([]);
  const [deployment, service, budget] = documents.map((document) => document.toJS());
  const { labels } = deployment.spec.template.metadata;
  expect(deployment.spec.selector.matchLabels).toEqual(labels);
  expect(service.spec.selector).toEqual(labels);
  expect(budget.spec.selector.matchLabels).toEqual(labels);

  const [container] = deployment.spec.template.spec.containers;
  const ports = container.ports.map((port: { name: string }) => port.name);
  expect(ports).toContain(service.spec.ports[0].targetPort);
  for (const [probe, path] of [
    ['startupProbe', '/startupz'],
    ['readinessProbe', '/readyz'],
    ['livenessProbe', '/livez'],
  ]) {
    expect(container[probe as string].httpGet).toEqual({ path, port: 'management' });
  }
  for (const { name } of container.env) expect(settings).toHaveProperty(name);
  // By default only the pod itself reaches its management port, and the kubelet is outside of it.
  expect(container.env).toContainEqual({
    name: 'MANAGEMENT_HOST',
    valueFrom: { fieldRef: { fieldPath: 'status.podIP' } },
  });
  const drainSeconds = 8 + container.lifecycle.preStop.sleep.seconds;
  expect(deployment.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(drainSeconds);
  expect(parse(await read('deploy/metrics.yaml')).spec.selector.matchLabels).toEqual(labels);
  const policy = parse(await read('deploy/network-policy.yaml'));
  expect([policy.kind, policy.spec.podSelector.matchLabels]).toEqual(['NetworkPolicy', labels]);
  const open: { from: unknown[]; ports: { port: string }[] }[] = policy.spec.ingress;
  for (const {
    from,
    ports: [allowed],
  } of open) {
    expect(from.length).toBeGreaterThan(0);
    expect(ports).toContain(allowed?.port);
  }
});

it('the alerts are valid, name metrics that exist, and lead to a chapter of the guide', async () => {
  const { kind, spec } = parse(await read('deploy/alerts.yaml'));
  expect(kind).toBe('PrometheusRule');
  const rules: { expr: string; annotations: { runbook_url: string } }[] = spec.groups.flatMap(
    (group: { rules: object[] }) => group.rules,
  );
  const metrics = await read('docs/metrics.md');
  const used = rules.map(({ expr }) => /\biam_\w+/.exec(expr)?.[0]);
  expect(used).toEqual(['iam_ended_sessions_total', 'iam_notification_queue_usage']);
  for (const name of used) expect(metrics).toContain(`\`${name}\``);
  for (const { annotations } of rules) {
    const [page = '', chapter] = annotations.runbook_url.split('#');
    const chapters = (await read(page)).match(/^#+ .*$/gm) ?? [];
    const anchors = chapters.map((line) => line.replace(/^#+ /, '').toLowerCase().replaceAll(' ', '-'));
    expect(anchors).toContain(chapter);
  }
});

it('the image contains every folder that the program reads', async () => {
  const dockerfile = await read('Dockerfile');
  const allowed = (await read('.dockerignore')).split('\n').filter((line) => line.startsWith('!'));
  for (const folder of ['src', 'migrations']) {
    expect(dockerfile).toMatch(new RegExp(`^COPY ${folder} `, 'm'));
    expect(allowed).toContain(`!${folder}`);
  }
});
