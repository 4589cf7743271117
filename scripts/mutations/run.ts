import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Mutant, mutantsOf } from './mutants.ts';
import { MUTATED, ONLY_ON_SERVERS } from './scope.ts';
import { SERVER_MUTANTS } from './server-mutants.ts';

const USAGE = `npm run test:mutations -- [options]

Breaks one guard at a time in a copy of the tree, and runs the tests that must notice it.
Exits with 1 if they notice less than 95 %, and with 2 if an option is wrong.

  --sample 40          40 of the mutants
  --seed 7             the same sample again
  --only src/roles     the mutants of one folder or file
  --servers            the guards that only tests on servers notice, instead of unit tests
  --help               this text`;

const MIN_KILLED_SHARE = 0.95;
/** A mutant may loop forever, which counts as killed. */
const UNIT_TIMEOUT_MS = 60_000;
const SERVER_TIMEOUT_MS = 280_000;
const BASELINE_TIMEOUT_MS = 600_000;
const PROGRESS_INTERVAL = 50;
/** Tests of generated pages, which notice no guard. */
const TEXTS = 'test/unit/docs/**';
const NOT_COPIED = ['node_modules', '.git'];

/** A change in the copy of the tree, with the tests that must fail. */
interface Attempt {
  file: string;
  where: string;
  change: string;
  mutated: string;
  project: 'unit' | 'integration';
  /** Test files; `undefined` for those that vitest relates to the file. */
  tests: string[] | undefined;
}

/** What the tests say of a mutant: `late` if they did not end in time, which counts as killed. */
type Outcome = 'passed' | 'failed' | 'late';
const LABELS = { passed: 'SURVIVED', late: 'TIMEOUT' } as const;

/** A mutant that changes nothing that anyone can observe. */
interface Equivalent {
  file: string;
  line: string;
  change: string;
  reason: string;
}

const values = readOptions();
const root = fileURLToPath(new URL('../../', import.meta.url));
const equivalent: Equivalent[] = JSON.parse(
  await readFile(new URL('equivalent.json', import.meta.url), 'utf8'),
);

const all = values.servers ? await serverAttempts() : await unitAttempts();
const seed = Number(values.seed ?? Date.now() % 100_000);
const attempts = values.sample === undefined ? all : sampled(all, Number(values.sample), seed);
console.log(`${attempts.length} of ${all.length} mutants${values.sample ? `, seed ${seed}` : ''}`);

const copy = await mkdtemp(join(tmpdir(), 'regional-iam-mutations-'));
const stop = () => void rm(copy, { recursive: true, force: true }).finally(() => process.exit(130));
process.once('SIGINT', stop).once('SIGTERM', stop);
const survivors: Attempt[] = [];
let late = 0;
try {
  await cp(root, copy, {
    recursive: true,
    filter: (path) => !NOT_COPIED.includes(path.slice(root.length).split('/')[0] ?? ''),
  });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  await assertBaseline(attempts);
  for (const [index, attempt] of attempts.entries()) {
    const outcome = await outcomeOf(attempt);
    if (outcome === 'passed') survivors.push(attempt);
    if (outcome === 'late') late += 1;
    if (outcome !== 'failed') console.log(`${LABELS[outcome]} ${attempt.where}: ${attempt.change}`);
    const done = index + 1;
    if (done % PROGRESS_INTERVAL === 0) {
      console.log(`${done} of ${attempts.length} mutants done, ${survivors.length} survived`);
    }
  }
} finally {
  await rm(copy, { recursive: true, force: true });
}

const killed = attempts.length - survivors.length;
const share = attempts.length === 0 ? 1 : killed / attempts.length;
console.log(
  `killed ${killed} of ${attempts.length} (${(100 * share).toFixed(1)} %), ${late} of them by a timeout`,
);
for (const { where, change } of survivors) console.log(`  ${where}: ${change}`);
process.exitCode = share < MIN_KILLED_SHARE ? 1 : 0;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        servers: { type: 'boolean', default: false },
        sample: { type: 'string' },
        seed: { type: 'string' },
        only: { type: 'string', default: '' },
        help: { type: 'boolean', default: false },
      },
    });
    if (!values.help) return values;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function unitAttempts(): Promise<Attempt[]> {
  const found: Attempt[] = [];
  for (const file of await mutatedFiles()) {
    const text = await readFile(join(root, file), 'utf8');
    const mutants = withoutEquivalent(file, mutantsOf(file, text));
    found.push(
      ...mutants.map(({ lineNumber, line, change, start, end, replacement }) => ({
        file,
        where: `${file}:${lineNumber}`,
        change: `${change} – ${line}`,
        mutated: text.slice(0, start) + replacement + text.slice(end),
        project: 'unit' as const,
        tests: undefined,
      })),
    );
  }
  return found;
}

async function serverAttempts(): Promise<Attempt[]> {
  const chosen = SERVER_MUTANTS.filter(({ file }) => file.startsWith(values.only));
  return Promise.all(
    chosen.map(async ({ file, from, to, tests }) => {
      const text = await readFile(join(root, file), 'utf8');
      const at = text.indexOf(from);
      if (at < 0) throw new Error(`${file} does not contain "${from}": update server-mutants.ts`);
      return {
        file,
        where: `${file}:${text.slice(0, at).split('\n').length}`,
        change: `${from} → ${to}`,
        mutated: text.slice(0, at) + to + text.slice(at + from.length),
        project: 'integration' as const,
        tests: [tests],
      };
    }),
  );
}

async function mutatedFiles(): Promise<string[]> {
  const files: string[] = [];
  for (const place of MUTATED) {
    if (place.endsWith('.ts')) files.push(place);
    else {
      const below = await readdir(join(root, place), { recursive: true });
      files.push(...below.filter((name) => name.endsWith('.ts')).map((name) => `${place}/${name}`));
    }
  }
  return files.filter((file) => !ONLY_ON_SERVERS.includes(file) && file.startsWith(values.only)).toSorted();
}

/** @throws {Error} if an entry of equivalent.json stands for no mutant, or for several, of which some may not be equivalent */
function withoutEquivalent(file: string, mutants: readonly Mutant[]): Mutant[] {
  const exempt = equivalent
    .filter((known) => known.file === file)
    .map(({ line, change }) => {
      const same = mutants.filter((mutant) => mutant.line === line && mutant.change === change);
      if (same.length === 1) return same[0];
      throw new Error(`${file} has ${same.length} mutants "${change}" of "${line}": update equivalent.json`);
    });
  return mutants.filter((mutant) => !exempt.includes(mutant));
}

async function outcomeOf({ file, mutated, project, tests }: Attempt): Promise<Outcome> {
  const path = join(copy, file);
  const original = await readFile(path, 'utf8');
  await writeFile(path, mutated);
  try {
    const which = tests === undefined ? ['related', '--run', file] : ['run', ...tests];
    return await runTests(
      [...which, '--project', project, '--bail', '1', '--passWithNoTests'],
      values.servers ? SERVER_TIMEOUT_MS : UNIT_TIMEOUT_MS,
    );
  } finally {
    await writeFile(path, original);
  }
}

/** Without mutants, all tests must pass: otherwise each mutant would seem killed. */
async function assertBaseline(attempts: readonly Attempt[]): Promise<void> {
  const tests = [...new Set(attempts.flatMap((attempt) => attempt.tests ?? []))];
  const files = [...new Set(attempts.map(({ file }) => file))];
  const which = values.servers
    ? ['run', ...tests, '--project', 'integration']
    : ['related', '--run', ...files, '--project', 'unit', '--passWithNoTests'];
  if ((await runTests(which, BASELINE_TIMEOUT_MS)) === 'passed') return;
  throw new Error('the tests fail without any mutant: run them with vitest first');
}

/** Runs vitest in the copy. */
function runTests(args: string[], timeoutMs: number): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const child = spawn(process.execPath, [vitest, ...args, '--exclude', TEXTS], {
      cwd: copy,
      stdio: 'ignore',
      detached: true,
    });
    // The whole group, because vitest has worker processes.
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      process.kill(-(child.pid as number), 'SIGKILL');
    }, timeoutMs);
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve('passed');
      else resolve(isLate ? 'late' : 'failed');
    });
  });
}

/** Some of the attempts, the same for the same seed. */
function sampled(from: readonly Attempt[], count: number, seed: number): Attempt[] {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  return from
    .map((attempt) => ({ attempt, order: random() }))
    .toSorted((one, other) => one.order - other.order)
    .slice(0, count)
    .map(({ attempt }) => attempt);
}
