import { configurationPage, envExample } from './configuration.ts';
import { errorsPage } from './errors.ts';
import { metricsPage } from './metrics.ts';

/** The text of every page that is generated from the code, by its path in the repository. */
export function renderDocs(): Record<string, string> {
  return {
    'docs/configuration.md': configurationPage(),
    '.env.example': envExample(),
    'docs/errors.md': errorsPage(),
    'docs/metrics.md': metricsPage(),
  };
}
