import { defineConfig } from 'vitest/config';
import { SkippedFilesReporter, skipFilesWithoutTools } from './test/support/tools.ts';

const skipped = await skipFilesWithoutTools('test/soak');

/** Tests that take minutes or print figures: the same servers as the suite, one file at a time. */
export default defineConfig({
  test: {
    name: 'soak',
    include: ['test/soak/**/*.test.ts'],
    exclude: skipped.flatMap(({ files }) => files),
    reporters: ['default', new SkippedFilesReporter(skipped)],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/output-guard.ts'],
    testTimeout: 300_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 1,
  },
});
