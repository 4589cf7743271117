import { readFile, writeFile } from 'node:fs/promises';
import { assumptions, type Fleet, measuredCoreCapacity, sizeRegion } from './lib/capacity.ts';
import { markdownTable, replaceBlock } from './lib/markdown.ts';
import { type CaseResult, type Results, readResults } from './lib/results.ts';
import { cells, formatFigure, headings } from './lib/table.ts';

/** Writes the figures of bench/results.json into docs/performance.md: `node bench/report.ts`. */
const path = new URL('../docs/performance.md', import.meta.url);

const fleets: Fleet[] = [
  { requestsPerSecond: 1_000, regions: 3, keysPerRegion: 10_000 },
  { requestsPerSecond: 100_000, regions: 10, keysPerRegion: 200_000 },
  { requestsPerSecond: 10_000_000, regions: 50, keysPerRegion: 1_000_000 },
];

/** Load average that one case can cause for the next. A higher value comes from other processes. */
const BUSY_LOAD = 3;

const results = await readResults();
let page = await readFile(path, 'utf8');
page = replaceBlock(page, 'results', renderResults(results));
page = replaceBlock(page, 'capacity', renderCapacity(results));
await writeFile(path, page);

function renderResults(of: Results): string {
  const rows = Object.values(of).flatMap((result) => result.rows);
  const notes = rows.flatMap((row) => row.notes.map((note) => `- ${row.case}, ${row.measure}: ${note}`));
  return [describeMachine(of), '', markdownTable(headings, rows.map(cells)), '', ...notes].join('\n');
}

function describeMachine(of: Results): string {
  const newest = Object.values(of).reduce<CaseResult | undefined>(
    (latest, result) => (latest === undefined || result.takenAt > latest.takenAt ? result : latest),
    undefined,
  );
  if (newest === undefined) return 'There are no results yet.';
  const { machine, takenAt, pairs, seconds } = newest;
  const loads = Object.values(of).map((result) => result.loadBefore);
  const busy =
    Math.max(...loads) > BUSY_LOAD
      ? ` **Other processes used the machine during the run (load average ${formatFigure(Math.min(...loads))} to ${formatFigure(Math.max(...loads))} before the cases): compare the processor times, not the throughput.**`
      : '';
  return `Measured on ${takenAt.slice(0, 10)}: ${machine.model}, ${machine.processors} processors, ${machine.memoryGiB} GiB, Node ${machine.node}${machine.pinned ? ', one of them reserved for the measured process' : ''}; ${pairs} pairs of ${seconds} s.${busy}`;
}

function renderCapacity(of: Results): string {
  const core = measuredCoreCapacity(of);
  if (core === undefined) return 'Run the cases warm, redis-hit, cold and memory first.';
  const rows = fleets.map((fleet) => {
    const region = sizeRegion(fleet, core);
    return [
      `${formatFigure(fleet.requestsPerSecond)} req/s, ${fleet.regions} regions`,
      `${formatFigure(region.requestsPerSecond)} req/s`,
      `${region.pods}`,
      `${formatFigure(fleet.keysPerRegion)} keys, ${formatFigure(region.cacheMebibytes)} MiB`,
      `${formatFigure(region.redisReadsPerSecond)} /s`,
      `${formatFigure(region.replicaReadsPerSecond)} /s over ${region.replicaConnections} connections`,
      `${formatFigure(region.pods * fleet.regions)}`,
    ];
  });
  const percent = (share: number) => `${Number((share * 100).toPrecision(4))} %`;
  return [
    `One core: ${formatFigure(core.warmPerSecond)} responses per second from memory, ${formatFigure(core.redisPerSecond)} from Redis, ${formatFigure(core.coldPerSecond)} with argon2; ${formatFigure(core.bytesPerKey)} B per warm key. Assumptions: ${percent(assumptions.memoryShare)} from memory, ${percent(assumptions.redisShare)} from Redis, ${percent(assumptions.coldShare)} with argon2; pods of one core, planned for ${percent(assumptions.utilization)} utilization, at least ${assumptions.minPods} per region.`,
    '',
    markdownTable(
      [
        'fleet',
        'requests per region',
        'pods per region',
        'caches per pod',
        'Redis reads',
        'replica reads',
        'pods in total',
      ],
      rows,
    ),
  ].join('\n');
}
