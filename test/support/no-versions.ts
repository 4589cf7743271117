import type { VersionFences } from '../../src/keys/cache/fences.ts';

/** Fences of a region in which no key has changed lately. */
export const noVersions: VersionFences = { newestVersion: async () => -1 };
