import { settings } from '../src/config.ts';

/** What the topology decides itself: everything listens on loopback in the clear, on ports and databases of its own. */
const OURS = /^(HOST|TLS_\w+|\w+_PORT|\w+_DATABASE_URL|\w*CREDENTIAL_PREFIX(ES)?|CACHE_KEYS)$/;

/** Settings that somebody gave to `npm start` and that both services get; all other variables stay here. */
export function passedSettings(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.keys(settings).flatMap((name) => {
      const value = environment[name];
      return value && !OURS.test(name) ? [[name, value] as const] : [];
    }),
  );
}
