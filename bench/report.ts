import { readFile, writeFile } from 'node:fs/promises';
import { assumptions, type Fleet, needsOfRegion, perCore } from './lib/capacity.ts';
import { markdownTable, replaceBlock } from './lib/markdown.ts';
import { type CaseResult, type Results, readResults } from './lib/results.ts';
import { cells, figure, headings } from './lib/table.ts';

/** Writes the figures of bench/results.json into docs/performance.md: `node bench/report.ts`. */
const path = new URL('../docs/performance.md', import.meta.url);

const fleets: Fleet[] = [
  { requestsPerSecond: 1_000, regions: 3, keysPerRegion: 10_000 },
  { requestsPerSecond: 100_000, regions: 10, keysPerRegion: 200_000 },
  { requestsPerSecond: 10_000_000, regions: 50, keysPerRegion: 1_000_000 },
];

/** A case leaves some load behind for the next one; more than this is somebody else's. */
const BUSY_LOAD = 3;

const results = await readResults();
let page = await readFile(path, 'utf8');
page = replaceBlock(page, 'results', resultsBlock(results));
page = replaceBlock(page, 'capacity', capacityBlock(results));
await writeFile(path, page);

function resultsBlock(of: Results): string {
  const rows = Object.values(of).flatMap((result) => result.rows);
  const notes = rows.flatMap((row) => row.notes.map((note) => `- ${row.case}, ${row.measure}: ${note}`));
  return [machineOf(of), '', markdownTable(headings, rows.map(cells)), '', ...notes].join('\n');
}

function machineOf(of: Results): string {
  const newest = Object.values(of).reduce<CaseResult | undefined>(
    (latest, result) => (latest === undefined || result.takenAt > latest.takenAt ? result : latest),
    undefined,
  );
  if (newest === undefined) return 'No case has been run yet.';
  const { machine, takenAt, pairs, seconds } = newest;
  const loads = Object.values(of).map((result) => result.loadBefore);
  const busy =
    Math.max(...loads) > BUSY_LOAD
      ? ` **Others used the machine meanwhile (load average ${figure(Math.min(...loads))} to ${figure(Math.max(...loads))} before the cases): read the processor times, not the throughput.**`
      : '';
  return `Taken on ${takenAt.slice(0, 10)}: ${machine.model}, ${machine.processors} processors, ${machine.memoryGiB} GiB, Node ${machine.node}${machine.pinned ? ', the measured process alone on one of them' : ''}; ${pairs} pairs of ${seconds} s.${busy}`;
}

function capacityBlock(of: Results): string {
  const core = perCore(of);
  if (core === undefined) return 'Run the cases warm, redis-hit, cold and memory first.';
  const rows = fleets.map((fleet) => {
    const needs = needsOfRegion(fleet, core);
    return [
      `${figure(fleet.requestsPerSecond)} req/s, ${fleet.regions} regions`,
      `${figure(needs.requestsPerSecond)} req/s`,
      `${needs.pods}`,
      `${figure(fleet.keysPerRegion)} keys, ${figure(needs.cacheMebibytes)} MiB`,
      `${figure(needs.redisReadsPerSecond)} /s`,
      `${figure(needs.replicaReadsPerSecond)} /s over ${needs.replicaConnections} connections`,
      `${figure(needs.pods * fleet.regions)}`,
    ];
  });
  const percent = (share: number) => `${Number((share * 100).toPrecision(4))} %`;
  return [
    `One core: ${figure(core.warmPerSecond)} answers a second from memory, ${figure(core.redisPerSecond)} from Redis, ${figure(core.coldPerSecond)} with argon2; ${figure(core.bytesPerKey)} B a warm key. Assumed: ${percent(assumptions.memoryShare)} from memory, ${percent(assumptions.redisShare)} from Redis, ${percent(assumptions.coldShare)} verified anew; pods of one core, planned to ${percent(assumptions.utilization)} of it, at least ${assumptions.fewestPods} in a region.`,
    '',
    markdownTable(
      [
        'fleet',
        'a region answers',
        'pods in a region',
        'caches of a pod',
        'Redis reads',
        'replica reads',
        'pods in all',
      ],
      rows,
    ),
  ].join('\n');
}
