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
  json?: boolean;
  list?: boolean;
}

/** `npm run bench`. Exit code 0 also when a target is missed (the table says so); 1 when a case could not be run. */
const program = new Command('bench')
  .description('Measures the regional service side by side with baselines, in alternation.')
  .argument(
    '[case...]',
    'cases to run, left out: all of them; or `profile [warm|redis|cold]`: a CPU profile of a path',
  )
  .option('--list', 'say which cases there are')
  .option('--pairs <count>', 'measurements of each side', positive, 5)
  .option('--seconds <seconds>', 'length of one measurement', positive, 3)
  .option('--json', 'print the rows as JSON')
  .addHelpText('after', '\nResults of each case are kept in bench/results.json. Progress goes to stderr.')
  .action(async (names: string[], options: Options) => {
    if (options.list) {
      for (const [name, { summary }] of Object.entries(cases)) console.log(`${name.padEnd(18)} ${summary}`);
      return;
    }
    const pinning = pinSelf();
    if (names[0] === 'profile') {
      const path = names[1] ?? 'warm';
      if (!Object.hasOwn(profiledPaths, path)) program.error(`There is no path ${path} to profile.`);
      await within('profile', options, pinning, async (bench) => console.log(await profile(bench, path)));
      return;
    }
    const unknown = names.filter((name) => !Object.hasOwn(cases, name));
    if (unknown.length > 0) program.error(`There is no case ${unknown.join(', ')}; see --list.`);
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
    await within(name, options, pinning, async (bench) => {
      const begun = { at: new Date(), load: loadavg()[0] ?? 0 };
      const run = await cases[name]?.load();
      const rows = (await run?.(bench)) ?? [];
      await storeResult(name, rows, bench.options, begun);
      all.push(...rows);
    });
  }
  return all;
}

/** Gives the work what it needs and takes it all away again; a failure is told and counts in the exit code. */
async function within(
  name: string,
  { pairs, seconds }: Options,
  pinning: Pinning | undefined,
  work: (bench: Bench) => Promise<void>,
): Promise<void> {
  const log = (message: string) => console.error(`[${name}] ${message}`);
  const bench = new Bench({ pairs, seconds, pinning, log });
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

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}
