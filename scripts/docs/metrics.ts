import { Registry } from 'prom-client';
import { ControlPlaneMetrics } from '../../src/control-plane/metrics.ts';
import { registerRegionMetrics, verifierObserver } from '../../src/keys/region-metrics.ts';
import { AuthenticationMetrics } from '../../src/regional/authentication-metrics.ts';
import { code, GENERATED, table } from './markdown.ts';

/** What prom-client keeps of a metric; its types do not show it. */
interface Described {
  name: string;
  help: string;
  /** Absent where a metric has none. */
  labelNames?: readonly string[];
  type: string;
}

/** The metrics a regional service registers; nothing is read from them, so nothing has to run. */
function regionalMetrics(): Described[] {
  const registry = new Registry();
  new AuthenticationMetrics(registry);
  verifierObserver(registry);
  registerRegionMetrics(registry, { redis: {} } as never, () => 0);
  return registry.getMetricsAsArray() as unknown as Described[];
}

/** The metrics a control plane registers. */
function controlPlaneMetrics(): Described[] {
  const registry = new Registry();
  new ControlPlaneMetrics(registry, {
    heartbeat: { failures: 0 },
    verifier: { load: { running: 0, waiting: 0 } },
  });
  return registry.getMetricsAsArray() as unknown as Described[];
}

function rows(metrics: readonly Described[]): string[][] {
  return metrics
    .toSorted((a, b) => a.name.localeCompare(b.name))
    .map(({ name, type, labelNames = [], help }) => [
      code(name),
      type,
      labelNames.map(code).join(', '),
      help,
    ]);
}

/** docs/metrics.md */
export function metricsPage(): string {
  return `${GENERATED}

# Metrics

Prometheus text on ${code('/metrics')} of the management port. No label names a key, an organization or a project: the number of
series does not grow with customers. Beside these, ${code('prom-client')} adds its process and Node.js metrics (${code('process_*')}, ${code('nodejs_*')}).

## Regional service

${table(['Metric', 'Type', 'Labels', 'Meaning'], rows(regionalMetrics()))}

Redis metrics exist where ${code('REDIS_URL')} is set.

## Control plane

${table(['Metric', 'Type', 'Labels', 'Meaning'], rows(controlPlaneMetrics()))}
`;
}
