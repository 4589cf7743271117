import { z } from 'zod';
import { cacheSettings } from './caches.ts';
import { callerSettings } from './callers.ts';
import { commandLineSettings } from './command-line.ts';
import { credentialSettings } from './credentials.ts';
import { databaseSettings } from './databases.ts';
import { freshnessSettings } from './freshness.ts';
import { limitSettings } from './limits.ts';
import { managementSettings } from './management.ts';
import { processSettings } from './process.ts';
import { tlsSettings } from './tls.ts';

/**
 * All settings of all commands, read from the environment.
 *
 * `meta().secret` keeps a value out of errors. `meta().default` documents a default that depends on the machine.
 * docs/configuration.md and .env.example are generated from this schema.
 */
export const settings = {
  ...processSettings,
  ...databaseSettings,
  ...credentialSettings,
  ...cacheSettings,
  ...freshnessSettings,
  ...limitSettings,
  ...callerSettings,
  ...managementSettings,
  ...commandLineSettings,
  ...tlsSettings,
} as const;

/** Each setting by itself. `RULES` has those that depend on each other. */
export const schema = z.object(settings);

/** The settings, before the defaults that depend on others. */
export type Values = z.infer<typeof schema>;
