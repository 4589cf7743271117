import { defineConfig } from 'vitest/config';
import { SkippedFilesReporter, skipFilesWithoutTools } from './test/support/tools.ts';

const unitOnly = process.argv.includes('--project=unit') || process.argv.join(' ').includes('--project unit');
const skipped = unitOnly ? [] : await skipFilesWithoutTools('test/integration');

export default defineConfig({
  test: {
    reporters: ['default', new SkippedFilesReporter(skipped)],
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: skipped.flatMap(({ files }) => files),
          globalSetup: ['test/support/global-setup.ts'],
          setupFiles: ['test/support/output-guard.ts'],
          testTimeout: 30_000,
          // Several files share two processors, and the default is one second.
          expect: { poll: { timeout: 15_000 } },
          hookTimeout: 60_000,
        },
      },
    ],
    pool: 'forks',
    // Most tests wait for servers, so two processors do the work of three.
    maxWorkers: 3,
  },
});
