import { loadavg } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { cases } from './cases/index.ts';
import { Bench } from './lib/bench.ts';
import { type Pinning, pinSelf } from './lib/pinning.ts';
import { storeResult } from './lib/results.ts';
import type { Row } from './lib/row.ts';
import { textTable } from './lib/table.ts';
import { profile, profiledPaths } from './profile.ts';

interface Options {
  pairs: number;
  seconds: number;
  keys?: number;
  json?: boolean;
  list?: boolean;
}

/** `npm run bench`. A missed target appears in the table and keeps exit code 0; a failed case sets exit code 1. */
const program = new Command('bench')
  .description('Measures the regional service and its baselines in turn.')
  .argument(
    '[case...]',
    'cases to run (default: all), or `profile [warm|redis|cold]` for a CPU profile of a path',
  )
  .option('--list', 'list the cases')
  .option('--pairs <count>', 'measurements per side', parsePositive, 5)
  .option('--seconds <seconds>', 'length of one measurement', parsePositive, 3)
  .option('--keys <count>', 'population of redis-restart and restart-storm', parsePositive)
  .option('--json', 'print the rows as JSON')
  .addHelpText(
    'after',
    '\nThe results of each case are stored in bench/results.json. Progress messages go to stderr.',
  )
  .action(async (names: string[], options: Options) => {
    if (options.list) {
      for (const [name, { summary }] of Object.entries(cases)) console.log(`${name.padEnd(18)} ${summary}`);
      return;
    }
    const pinning = pinSelf();
    if (names[0] === 'profile') {
      const path = names[1] ?? 'warm';
      if (!Object.hasOwn(profiledPaths, path))
        program.error(`Unknown path ${path}. Use one of: ${Object.keys(profiledPaths).join(', ')}.`);
      await withBench('profile', options, pinning, async (bench) => console.log(await profile(bench, path)));
      return;
    }
    const unknown = names.filter((name) => !Object.hasOwn(cases, name));
    if (unknown.length > 0)
      program.error(`Unknown case: ${unknown.join(', ')}. Use --list to list the cases.`);
    const rows = await runCases(names.length > 0 ? names : Object.keys(cases), options, pinning);
    console.log(options.json ? JSON.stringify(rows, null, 2) : textTable(rows));
  });

let running: Bench | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void running?.close().finally(() => process.exit(1)));
}
await program.parseAsync();

async function runCases(names: readonly string[], options: Options, pinning: Pinning | undefined) {
  const all: Row[] = [];
  for (const name of names) {
    await withBench(name, options, pinning, async (bench) => {
      const start = { at: new Date(), load: loadavg()[0] ?? 0 };
      const run = await cases[name]?.load();
      const rows = (await run?.(bench)) ?? [];
      await storeResult(name, rows, bench.options, start);
      all.push(...rows);
    });
  }
  return all;
}

/** Runs the work with a `Bench` and closes it afterwards. A failure is logged and sets exit code 1. */
async function withBench(
  name: string,
  { pairs, seconds, keys }: Options,
  pinning: Pinning | undefined,
  work: (bench: Bench) => Promise<void>,
): Promise<void> {
  const log = (message: string) => console.error(`[${name}] ${message}`);
  const bench = new Bench({ pairs, seconds, keys, pinning, log });
  running = bench;
  try {
    await work(bench);
  } catch (error) {
    process.exitCode = 1;
    log(`failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  } finally {
    await bench.close();
  }
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Use a number above 0.');
  return value;
}
