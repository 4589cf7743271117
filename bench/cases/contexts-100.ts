import { type Baseline, startBaseline } from '../lib/baseline.ts';
import type { Bench } from '../lib/bench.ts';
import { benchKeys, CHEAP_HASH } from '../lib/keys.ts';
import { createLoadedSide, type LoadedResult, summarize } from '../lib/loaded-side.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase, insertKeys } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { authenticateRequest, type Context } from '../lib/requests.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { sendRequest } from '../lib/send-request.ts';
import { startBenchPostgres } from '../lib/servers.ts';

const ORGANIZATION = 'org-bench';
const CONTEXTS = 100;
const WARM_UP_REQUESTS = 5_000;

/**
 * Compares a request for a hundred projects with a request for one project; both are memory hits. The larger request and
 * its response have far more bytes. A bare Fastify that reads the same body without parsing it and sends the same
 * response measures the cost of these bytes, and the first row subtracts it.
 */
export async function contexts100(bench: Bench): Promise<Row[]> {
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  const [key] = await benchKeys('contexts', 1, CHEAP_HASH);
  if (key === undefined) throw new Error('no key');
  const contexts: Context[] = Array.from({ length: CONTEXTS }, (_, index) => ({
    projectId: index.toString(16).padStart(32, '0'),
    projectType: 'elasticsearch',
    organizationId: ORGANIZATION,
  }));
  const roleAssignments = {
    project: {
      elasticsearch: [
        {
          role_id: 'elasticsearch-viewer',
          organization_id: ORGANIZATION,
          all: true,
          application_roles: ['viewer'],
        },
      ],
    },
  };
  await database.fill((client) =>
    insertKeys(client, [
      { id: key.id, secretHash: key.secretHash, organizationId: ORGANIZATION, roleAssignments },
    ]),
  );
  const service = await startRegional(bench, database.url);
  const one = authenticateRequest(key.authorization, contexts.slice(0, 1));
  const hundred = authenticateRequest(key.authorization, contexts);
  const bare: Record<'one' | 'hundred', Baseline> = {
    one: await startEcho(one),
    hundred: await startEcho(hundred),
  };

  const generator = bench.startGenerator();
  bench.log('warming up');
  for (const [port, request] of [
    [service.port, one],
    [service.port, hundred],
    [bare.one.port, one],
    [bare.hundred.port, hundred],
  ] as const) {
    await generator.run({ port, requests: [request], connections: 32, count: WARM_UP_REQUESTS });
  }
  return [...(await measureRows(1)), ...(await measureRows(32))];

  async function startEcho(request: Buffer): Promise<Baseline> {
    const response = await sendRequest(service.port, request);
    if (response.status !== 200) throw new Error(`the service returned ${response.status}: ${response.body}`);
    return await startBaseline(bench, 'baselines/bare-fastify.mjs', {
      RESPONSE_BODY: response.body,
      PARSE: 'bytes',
    });
  }

  async function measureRows(connections: number): Promise<Row[]> {
    const side = (process: { port: number; pid: number }, request: Buffer) =>
      createLoadedSide(bench, generator, process, {
        requests: [request],
        connections,
        seconds: bench.options.seconds / 2,
      });
    const both = (large: () => Promise<LoadedResult>, bytes: () => Promise<LoadedResult>) => async () => ({
      call: await large(),
      bytes: await bytes(),
    });
    const pairs = await alternate(
      bench.options.pairs,
      both(side(service, hundred), side(bare.hundred, hundred)),
      both(side(service, one), side(bare.one, one)),
      ({ subject, baseline }) =>
        bench.log(
          `${connections} connections: 100 contexts ${summarize(subject.call)} (only the bytes ${summarize(subject.bytes)}) against 1 context ${summarize(baseline.call)} (only the bytes ${summarize(baseline.bytes)})`,
        ),
    );
    const micros = ({ perSecond }: LoadedResult) => 1_000_000 / perSecond;
    const bytesCost = pairs.map(({ subject, baseline }) => ({
      subject: micros(subject.bytes),
      baseline: micros(baseline.bytes),
    }));
    const [first] = pairs;
    const row = { case: 'contexts-100', against: 'one context', unit: 'µs' };
    const where = connections === 1 ? 'one connection' : `${connections} connections`;
    return [
      pairedRow(
        {
          ...row,
          measure: `time per call without the cost of its bytes, ${where}`,
          target: { bound: 'at most', value: 3 },
          notes: [
            `requests ${hundred.length} and ${one.length} B, responses ${first?.subject.call.responseBytes} and ${first?.baseline.call.responseBytes} B`,
          ],
        },
        pairs.map(({ subject, baseline }, index) => ({
          subject:
            micros(subject.call) - ((bytesCost[index]?.subject ?? 0) - (bytesCost[index]?.baseline ?? 0)),
          baseline: micros(baseline.call),
        })),
      ),
      pairedRow(
        { ...row, measure: `total time per call, ${where}` },
        pairs.map(({ subject, baseline }) => ({
          subject: micros(subject.call),
          baseline: micros(baseline.call),
        })),
      ),
      pairedRow(
        {
          ...row,
          measure: `time of the bytes alone (bare Fastify), ${where}`,
          against: 'the bytes of one context',
        },
        bytesCost,
      ),
    ];
  }
}
