import { auditPage } from './audit.ts';
import { configurationPage, envExample } from './configuration.ts';
import { errorsPage } from './errors.ts';
import { metricsPage } from './metrics.ts';

/** Every generated page, by its path in the repository. */
export function renderDocs(): Record<string, string> {
  return {
    'docs/configuration.md': configurationPage(),
    '.env.example': envExample(),
    'docs/audit.md': auditPage(),
    'docs/errors.md': errorsPage(),
    'docs/metrics.md': metricsPage(),
  };
}
