import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { SkippedFilesReporter, skipFilesWithoutTools } from './test/support/tools.ts';

const withoutServers = /--project[= ](unit|fuzz)( |$)/.test(process.argv.join(' '));
const skipped = withoutServers
  ? []
  : [...(await skipFilesWithoutTools('test/integration')), ...(await skipFilesWithoutTools('test/faults'))];

/** Tests on real servers, which are started once per run. */
function onServers(name: 'integration' | 'faults'): TestProjectInlineConfiguration {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      exclude: skipped.flatMap(({ files }) => files),
      globalSetup: ['test/support/global-setup.ts'],
      setupFiles: ['test/support/output-guard.ts'],
      testTimeout: 30_000,
      // Several files share two processors, and the default is one second.
      expect: { poll: { timeout: 15_000 } },
      hookTimeout: 60_000,
    },
  };
}

export default defineConfig({
  test: {
    reporters: ['default', new SkippedFilesReporter(skipped)],
    projects: [
      // They share no state, so one process imports the modules once for many files.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false, testTimeout: 20_000 } },
      {
        // `npm run test:fuzz` runs many more cases than CI.
        test: { name: 'fuzz', include: ['test/fuzz/**/*.test.ts'], isolate: false, testTimeout: 900_000 },
      },
      onServers('integration'),
      onServers('faults'),
    ],
    pool: 'forks',
    // Most tests wait for servers, so two processors do the work of three.
    maxWorkers: 3,
  },
});
