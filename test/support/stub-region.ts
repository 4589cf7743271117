import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { loadConfig } from '../../src/config.ts';
import { listeningUrl } from '../../src/http/listening-url.ts';
import type { ResponseBody } from '../../src/http/response-budget.ts';
import { Traffic } from '../../src/http/traffic.ts';
import { ClientAuthentication } from '../../src/keys/client-authentication.ts';
import type { KeyArrival } from '../../src/keys/key-arrival.ts';
import { createRegionalApp } from '../../src/regional/app.ts';
import { AuthenticationMetrics } from '../../src/regional/authentication-metrics.ts';
import type { AuthenticationService } from '../../src/regional/authentication-service.ts';
import { controlPlaneOf } from '../../src/regional/control-plane.ts';
import { forwardedCallsCounter } from '../../src/regional/forwarding/forwarding-metrics.ts';

/** The HTTP server of a region without its stores. */
export interface StubRegion {
  app: FastifyInstance;
  url: string;
  traffic: Traffic;
  /** The value of a metric with these labels. */
  metric(name: string, labels: Record<string, string>): Promise<number | undefined>;
}

/** @param authenticate the body for the raw query of a call */
export async function startStubRegion(
  settings: Record<string, string>,
  authenticate: (rawQuery: string) => Promise<ResponseBody>,
): Promise<StubRegion> {
  const registry = new Registry();
  const config = loadConfig(settings);
  const traffic = new Traffic(config, registry);
  const service = {
    assertHead: () => {},
    lookup: () => undefined,
    authenticate: async ({ rawQuery }: { rawQuery: string }) => ({
      body: await authenticate(rawQuery),
      tier: 'postgres',
    }),
  } as unknown as AuthenticationService;
  const app = await createRegionalApp(config, pino({ level: 'silent' }), {
    service,
    metrics: new AuthenticationMetrics(registry),
    forwardedCalls: forwardedCallsCounter(registry),
    traffic,
    clientAuthentication: new ClientAuthentication(config.CLIENT_AUTHENTICATION_SECRETS),
    arrival: {} as KeyArrival,
    controlPlane: controlPlaneOf(config, () => undefined),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    app,
    url: listeningUrl(app),
    traffic,
    metric: async (name, labels) => {
      const metric = await registry.getSingleMetric(name)?.get();
      return metric?.values.find((value) =>
        Object.entries(labels).every(([label, text]) => value.labels[label as never] === text),
      )?.value;
    },
  };
}
