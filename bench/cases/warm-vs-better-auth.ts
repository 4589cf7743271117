import { type Baseline, startBaseline } from '../lib/baseline.ts';
import type { Bench } from '../lib/bench.ts';
import { exchange } from '../lib/exchange.ts';
import { loadedSide, told } from '../lib/loaded-side.ts';
import { alternate } from '../lib/pairs.ts';
import { installPeer } from '../lib/peer.ts';
import { httpPost } from '../lib/requests.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { warmWorld } from '../lib/warm-world.ts';

const CONNECTIONS = 32;
const KEYS = 100;
/** The peer needs thousands of calls before its code is compiled; a measurement before that would flatter us. */
const WARM_UP_REQUESTS = 8_000;
const DATABASE = 'better_auth';

/**
 * A memory hit against what a TypeScript user would take instead: better-auth's API-key plugin, which verifies on
 * Postgres. Both have their database on the same server.
 */
export async function warmVsBetterAuth(bench: Bench): Promise<Row[]> {
  const script = await installPeer(bench, 'better-auth');
  const { postgres, service, requests } = await warmWorld(bench, KEYS, { durable: true });
  await postgres.createDatabase(DATABASE);
  bench.log('better-auth makes its keys');
  const peer: Baseline = await startBaseline(bench, script, {
    DATABASE_URL: postgres.server.url(DATABASE),
    KEYS: String(KEYS),
  });
  const theirs = (peer.announcement as string[]).map((key) =>
    httpPost('/', { authorization: `ApiKey ${key}` }, '{}'),
  );
  const answer = await exchange(peer.port, theirs[0] as Buffer);
  if (answer.status !== 200) throw new Error(`better-auth answered ${answer.status}: ${answer.body}`);

  bench.log('warming up both sides');
  const generator = bench.generator();
  const warmUp = { connections: CONNECTIONS, count: WARM_UP_REQUESTS };
  await generator.run({ ...warmUp, port: service.port, requests, count: WARM_UP_REQUESTS * 2 });
  await generator.run({ ...warmUp, port: peer.port, requests: theirs });
  const pairs = await alternate(
    bench.options.pairs,
    loadedSide(bench, generator, service, { requests, connections: CONNECTIONS }),
    loadedSide(bench, generator, peer, { requests: theirs, connections: CONNECTIONS }),
    ({ subject, baseline }) => bench.log(`${told(subject)} against ${told(baseline)}`),
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
          'better-auth 1.7.5, rate limits off; Postgres as durable as it comes, since the peer writes at each verification',
        ],
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.perSecond, baseline: baseline.perSecond })),
    ),
    pairedRow(
      {
        case: 'warm-vs-better-auth',
        measure: 'processor time a request',
        against: 'better-auth, without what Postgres spends for it',
        unit: 'µs',
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.cpuMicros, baseline: baseline.cpuMicros })),
    ),
  ];
}
