import { readFileSync } from 'node:fs';
import { configurationPage, envExample, readmeWithSettings } from './configuration.ts';
import { errorsPage } from './errors.ts';
import { metricsPage } from './metrics.ts';

/** Every page that is made from the code, by its path in the repository. */
export function renderDocs(): Record<string, string> {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  return {
    'README.md': readmeWithSettings(readme),
    'docs/configuration.md': configurationPage(),
    '.env.example': envExample(),
    'docs/errors.md': errorsPage(),
    'docs/metrics.md': metricsPage(),
  };
}
