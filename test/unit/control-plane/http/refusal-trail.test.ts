import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../../src/config.ts';
import { type ControlPlaneServices, createControlPlaneApp } from '../../../../src/control-plane/app.ts';
import { createLogger } from '../../../../src/http/logger.ts';
import { Traffic } from '../../../../src/http/traffic.ts';

describe('the control plane', () => {
  it.each(['/api/v1/users/auth/keys', '/api/v1/audit', '/uiam/api/v1/api-keys/_grant'])(
    'refuses to start if %s declares no audit action',
    async (path) => {
      const logger = createLogger({ level: 'silent', serviceName: 'test' });
      // The routes are registered and never called.
      const config = loadConfig({});
      const services = { traffic: new Traffic(config, new Registry()) } as ControlPlaneServices;
      const start = createControlPlaneApp(config, logger, services, (app) => {
        app.addHook('onRoute', (route) => {
          if (route.url === path) route.config = {};
        });
      });
      await expect(start).rejects.toThrow(`${path} declares no audit action`);
    },
  );
});
