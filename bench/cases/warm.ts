import { startBaseline } from '../lib/baseline.ts';
import type { Bench } from '../lib/bench.ts';
import { differences, exchange } from '../lib/exchange.ts';
import { loadedSide, told } from '../lib/loaded-side.ts';
import { tierShare } from '../lib/metrics.ts';
import { alternate } from '../lib/pairs.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { warmWorld } from '../lib/warm-world.ts';

const CONNECTIONS = 32;
const KEYS = 1_000;
const WARM_UP_REQUESTS = 20_000;

/**
 * A memory hit against a bare Fastify route that parses the same body and sends the same bytes: one key over and
 * over, and a thousand in turn.
 */
export async function warm(bench: Bench): Promise<Row[]> {
  const { service, requests, answer } = await warmWorld(bench, KEYS);
  const first = requests[0] as Buffer;
  const bare = await startBaseline(bench, 'baselines/bare-fastify.mjs', { ANSWER: answer.body });

  bench.log('warming up both sides');
  const generator = bench.generator();
  for (const { port } of [service, bare]) {
    await generator.run({ port, requests, connections: CONNECTIONS, count: WARM_UP_REQUESTS });
  }
  const unlike = differences(await exchange(service.port, first), await exchange(bare.port, first));
  const notes = [
    `request ${first.length} B, answer body ${answer.body.length} B`,
    ...unlike.map((line) => `answers differ, ${line}`),
  ];
  return [
    ...(await inTurn('one key', [first], notes)),
    ...(await inTurn(`${KEYS.toLocaleString('en')} keys in turn`, requests, [])),
  ];

  async function inTurn(name: string, which: Buffer[], facts: string[]): Promise<Row[]> {
    const plan = { requests: which, connections: CONNECTIONS };
    const before = await service.metrics();
    const pairs = await alternate(
      bench.options.pairs,
      loadedSide(bench, generator, service, plan),
      loadedSide(bench, generator, bare, plan),
      ({ subject, baseline }) => bench.log(`${name}: ${told(subject)} against ${told(baseline)}`),
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
          notes: [...facts, `${(share * 100).toFixed(2)} % answered from memory`],
        },
        of((result) => result.perSecond),
      ),
      pairedRow(
        { ...row('p99', 'ms'), target: { bound: 'at most', value: 1.2 } },
        of((result) => result.latencyMs.p99),
      ),
      pairedRow(
        row('processor time a request', 'µs'),
        of((result) => result.cpuMicros),
      ),
    ];
  }
}
