import { type Baseline, startBaseline } from '../lib/baseline.ts';
import type { Bench } from '../lib/bench.ts';
import { installCompetitor } from '../lib/competitor.ts';
import { createLoadedSide, summarize } from '../lib/loaded-side.ts';
import { alternate } from '../lib/pairs.ts';
import { httpPost } from '../lib/requests.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { sendRequest } from '../lib/send-request.ts';
import { startWarmStack } from '../lib/warm-stack.ts';

const CONNECTIONS = 32;
const KEYS = 100;
/** V8 compiles the code of better-auth during the first thousands of calls; an earlier measurement would favor us. */
const WARM_UP_REQUESTS = 8_000;
const DATABASE = 'better_auth';

/**
 * Compares memory hits with the usual choice in TypeScript: the API-key plugin of better-auth, which verifies with
 * Postgres. Both databases are on the same server.
 */
export async function warmVsBetterAuth(bench: Bench): Promise<Row[]> {
  const script = await installCompetitor(bench, 'better-auth');
  const { postgres, service, requests } = await startWarmStack(bench, KEYS, { durable: true });
  await postgres.createDatabase(DATABASE);
  bench.log('better-auth creates its keys');
  const competitor: Baseline = await startBaseline(bench, script, {
    DATABASE_URL: postgres.server.url(DATABASE),
    KEYS: String(KEYS),
  });
  const competitorRequests = (competitor.readyMessage as string[]).map((key) =>
    httpPost('/', { authorization: `ApiKey ${key}` }, '{}'),
  );
  const response = await sendRequest(competitor.port, competitorRequests[0] as Buffer);
  if (response.status !== 200) throw new Error(`better-auth returned ${response.status}: ${response.body}`);

  bench.log('warming up both sides');
  const generator = bench.startGenerator();
  const warmUp = { connections: CONNECTIONS, count: WARM_UP_REQUESTS };
  await generator.run({ ...warmUp, port: service.port, requests, count: WARM_UP_REQUESTS * 2 });
  await generator.run({ ...warmUp, port: competitor.port, requests: competitorRequests });
  const pairs = await alternate(
    bench.options.pairs,
    createLoadedSide(bench, generator, service, { requests, connections: CONNECTIONS }),
    createLoadedSide(bench, generator, competitor, {
      requests: competitorRequests,
      connections: CONNECTIONS,
    }),
    ({ subject, baseline }) => bench.log(`${summarize(subject)} against ${summarize(baseline)}`),
  );
  return [
    pairedRow(
      {
        case: 'warm-vs-better-auth',
        measure: `throughput, ${KEYS} keys in turn`,
        against: 'better-auth verifyApiKey on Postgres',
        unit: 'req/s',
        target: { bound: 'at least', value: 25 },
        notes: [
          'better-auth 1.7.5, rate limits off; Postgres with default durability, because better-auth writes at each verification',
        ],
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.perSecond, baseline: baseline.perSecond })),
    ),
    pairedRow(
      {
        case: 'warm-vs-better-auth',
        measure: 'processor time per request',
        against: 'better-auth, excluding its Postgres',
        unit: 'µs',
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.cpuMicros, baseline: baseline.cpuMicros })),
    ),
  ];
}
