import { startBaseline } from '../lib/baseline.ts';
import type { Bench } from '../lib/bench.ts';
import { createLoadedSide, summarize } from '../lib/loaded-side.ts';
import { tierShare } from '../lib/metrics.ts';
import { alternate } from '../lib/pairs.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { responseDifferences, sendRequest } from '../lib/send-request.ts';
import { startWarmStack } from '../lib/warm-stack.ts';

const CONNECTIONS = 32;
const KEYS = 1_000;
const WARM_UP_REQUESTS = 20_000;

/**
 * Compares memory hits with a bare Fastify route that parses the same body and sends the same bytes, with one key and
 * with a thousand keys in turn.
 */
export async function warm(bench: Bench): Promise<Row[]> {
  const { service, requests, firstResponse } = await startWarmStack(bench, KEYS);
  const firstRequest = requests[0] as Buffer;
  const bare = await startBaseline(bench, 'baselines/bare-fastify.mjs', {
    RESPONSE_BODY: firstResponse.body,
  });

  bench.log('warming up both sides');
  const generator = bench.startGenerator();
  for (const { port } of [service, bare]) {
    await generator.run({ port, requests, connections: CONNECTIONS, count: WARM_UP_REQUESTS });
  }
  const differences = responseDifferences(
    await sendRequest(service.port, firstRequest),
    await sendRequest(bare.port, firstRequest),
  );
  const notes = [
    `request ${firstRequest.length} B, response body ${firstResponse.body.length} B`,
    ...differences.map((line) => `responses differ, ${line}`),
  ];
  return [
    ...(await measureRows('one key', [firstRequest], notes)),
    ...(await measureRows(`${KEYS.toLocaleString('en')} keys in turn`, requests, [])),
  ];

  async function measureRows(name: string, requestsInTurn: Buffer[], extraNotes: string[]): Promise<Row[]> {
    const plan = { requests: requestsInTurn, connections: CONNECTIONS };
    const before = await service.metrics();
    const pairs = await alternate(
      bench.options.pairs,
      createLoadedSide(bench, generator, service, plan),
      createLoadedSide(bench, generator, bare, plan),
      ({ subject, baseline }) => bench.log(`${name}: ${summarize(subject)} against ${summarize(baseline)}`),
    );
    const share = tierShare(before, await service.metrics(), 'memory');
    const row = (measure: string, unit: string) => ({
      case: 'warm',
      measure: `${measure}, ${name}`,
      against: 'bare Fastify POST, same bytes',
      unit,
    });
    const of = (value: (result: (typeof pairs)[number]['subject']) => number) =>
      pairs.map(({ subject, baseline }) => ({ subject: value(subject), baseline: value(baseline) }));
    return [
      pairedRow(
        {
          ...row('throughput', 'req/s'),
          target: { bound: 'at least', value: 1 },
          notes: [...extraNotes, `${(share * 100).toFixed(2)} % answered from memory`],
        },
        of((result) => result.perSecond),
      ),
      pairedRow(
        { ...row('p99', 'ms'), target: { bound: 'at most', value: 1.2 } },
        of((result) => result.latencyMs.p99),
      ),
      pairedRow(
        row('processor time per request', 'µs'),
        of((result) => result.cpuMicros),
      ),
    ];
  }
}
