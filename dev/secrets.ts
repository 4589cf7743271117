import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writePrivateFile } from './private-file.ts';

const SECRETS_FILE = 'secrets.json';

const schema = z.object({
  superuserPassword: z.string(),
  regionalPassword: z.string(),
  controlPlanePassword: z.string(),
  replicatorPassword: z.string(),
  redisPassword: z.string(),
  clientSecret: z.string(),
  /** State of an earlier release has none. */
  forwardingSecret: z.string().default(() => randomBytes(24).toString('base64url')),
  cacheKey: z.string(),
  /** Credentials of the demo keys, once they exist. */
  credentials: z.partialRecord(z.enum(['owner', 'demo', 'internal']), z.string()),
});

/** Secrets that are generated once per state directory. */
export type DevSecrets = z.infer<typeof schema>;
export type SeededKey = keyof DevSecrets['credentials'];

/** Reads the secrets of earlier runs, undefined when there are none. @throws Error when the file is damaged */
export async function readSecrets(directory: string): Promise<DevSecrets | undefined> {
  const path = join(directory, SECRETS_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new Error(`${path} is damaged. Delete all state and start again: npm start -- --reset`);
  }
}

export async function writeSecrets(directory: string, secrets: DevSecrets): Promise<void> {
  await writePrivateFile(join(directory, SECRETS_FILE), `${JSON.stringify(secrets, null, 2)}\n`);
}

export function generateSecrets(randomBytes: (size: number) => Buffer): DevSecrets {
  const secret = () => randomBytes(24).toString('base64url');
  return {
    superuserPassword: secret(),
    regionalPassword: secret(),
    controlPlanePassword: secret(),
    replicatorPassword: secret(),
    redisPassword: secret(),
    clientSecret: secret(),
    forwardingSecret: secret(),
    cacheKey: randomBytes(32).toString('base64'),
    credentials: {},
  };
}
