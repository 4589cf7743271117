import { readFile } from 'node:fs/promises';
import { licenseProblems, type PackageLock } from './licenses.ts';

/** Fails if a package that a service needs has a license that is not allowed. */
const lock = JSON.parse(
  await readFile(new URL('../package-lock.json', import.meta.url), 'utf8'),
) as PackageLock;
const problems = licenseProblems(lock);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
