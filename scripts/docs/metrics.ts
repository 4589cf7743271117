import { Registry } from 'prom-client';
import { loadConfig } from '../../src/config.ts';
import { ControlPlaneMetrics } from '../../src/control-plane/metrics.ts';
import { Traffic } from '../../src/http/traffic.ts';
import {
  registerRegionMetrics,
  verifierObserver,
  wrongSecretCounter,
} from '../../src/keys/region-metrics.ts';
import { AuthenticationMetrics } from '../../src/regional/authentication-metrics.ts';
import { forwardedCallsCounter } from '../../src/regional/forwarding/forwarding-metrics.ts';
import { code, GENERATED, table } from './markdown.ts';

/** Properties of a prom-client metric that its types omit. */
interface Described {
  name: string;
  help: string;
  /** Absent if the metric has none. */
  labelNames?: readonly string[];
  type: string;
}

/** The metrics of a regional service. Their values are not read, so no service runs. */
function regionalMetrics(): Described[] {
  const registry = new Registry();
  new AuthenticationMetrics(registry);
  forwardedCallsCounter(registry);
  new Traffic(loadConfig({}), registry);
  verifierObserver(registry);
  wrongSecretCounter(registry);
  registerRegionMetrics(registry, { redis: {} } as never, () => 0);
  return registry.getMetricsAsArray() as unknown as Described[];
}

/** The metrics of a control plane. */
function controlPlaneMetrics(): Described[] {
  const registry = new Registry();
  new Traffic(loadConfig({}), registry);
  new ControlPlaneMetrics(registry, {
    heartbeat: { failures: 0 },
    clock: { offsetMs: undefined },
    digests: { failures: 0 },
    slots: { current: undefined },
    repairs: { published: 0, failures: 0 },
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

${code('/metrics')} on the management port returns Prometheus text. No label contains a key, an organization or a project, so the
number of series does not depend on the number of customers. ${code('prom-client')} adds process and Node.js metrics (${code('process_*')}, ${code('nodejs_*')}).

## Regional service

${table(['Metric', 'Type', 'Labels', 'Meaning'], rows(regionalMetrics()))}

Redis metrics exist only if ${code('REDIS_URL')} is set.

## Control plane

${table(['Metric', 'Type', 'Labels', 'Meaning'], rows(controlPlaneMetrics()))}
`;
}
