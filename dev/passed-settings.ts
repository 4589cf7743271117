import { settings } from '../src/config.ts';

/** Settings that the local stack sets itself: it listens on loopback without TLS, with its own ports and databases. */
const FIXED =
  /^((MANAGEMENT_)?HOST|TLS_\w+|CLIENT_CERTIFICATE_NAMES|\w+_PORT|\w+_DATABASE_URL|\w*CREDENTIAL_PREFIX(ES)?|CACHE_KEYS)$/;

/** Selects the settings in the environment of `npm start` that both services receive. */
export function passedSettings(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.keys(settings).flatMap((name) => {
      const value = environment[name];
      return value && !FIXED.test(name) ? [[name, value] as const] : [];
    }),
  );
}
