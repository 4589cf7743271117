import { Command, InvalidArgumentError } from 'commander';
import { cases } from './cases/index.ts';
import { Bench } from './lib/bench.ts';
import { pinSelf } from './lib/pinning.ts';
import { storeResult } from './lib/results.ts';
import type { Row } from './lib/row.ts';
import { textTable } from './lib/table.ts';

interface Options {
  pairs: number;
  seconds: number;
  json?: boolean;
  list?: boolean;
}

/** `npm run bench`. Exit code 0 also when a target is missed (the table says so); 1 when a case could not be run. */
const program = new Command('bench')
  .description('Measures the regional service side by side with baselines, in alternation.')
  .argument('[case...]', 'cases to run; left out: all of them')
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
    const unknown = names.filter((name) => !Object.hasOwn(cases, name));
    if (unknown.length > 0) program.error(`There is no case ${unknown.join(', ')}; see --list.`);
    const rows = await runCases(names.length > 0 ? names : Object.keys(cases), options);
    console.log(options.json ? JSON.stringify(rows, null, 2) : textTable(rows));
  });

await program.parseAsync();

async function runCases(names: readonly string[], { pairs, seconds }: Options): Promise<Row[]> {
  const pinning = pinSelf();
  let running: Bench | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void running?.close().finally(() => process.exit(1)));
  }
  const all: Row[] = [];
  for (const name of names) {
    const log = (message: string) => console.error(`[${name}] ${message}`);
    const bench = new Bench({ pairs, seconds, pinning, log });
    running = bench;
    try {
      const run = await cases[name]?.load();
      const rows = (await run?.(bench)) ?? [];
      await storeResult(name, rows, bench.options, new Date());
      all.push(...rows);
    } catch (error) {
      process.exitCode = 1;
      log(`failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    } finally {
      await bench.close();
    }
  }
  return all;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}
