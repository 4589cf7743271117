import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { isObject } from '../../roles/role-descriptor-input.ts';

const TIMEOUT_MS = 5_000;
const MAX_RESPONSE_BYTES = 1_048_576;

/** Not `z.record`, which drops the name "__proto__": a key without own descriptors has all permissions of its creator. */
const descriptors = z.custom<Record<string, Record<string, unknown>>>(
  (value) => isObject(value) && Object.values(value).every(isObject),
);

const authenticateSchema = z.object({
  authentication_type: z.string(),
  api_key: z.object({ id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) }).optional(),
});

const nativeKeySchema = z.object({
  id: z.string(),
  name: z.string().nullish(),
  expiration: z.number().nullish(),
  invalidated: z.boolean().optional(),
  username: z.string(),
  realm_type: z.string().nullish(),
  role_descriptors: descriptors.nullish(),
  limited_by: z.array(descriptors).nullish(),
});

/** A native key as `GET /_security/api_key` returns it. Times are milliseconds since the epoch. */
export type NativeKey = z.output<typeof nativeKeySchema>;

/**
 * Reads the definition of a native key from its Elasticsearch endpoint. The request uses the key itself, which proves that the
 * caller has it. `limited_by` is a snapshot of the creator's roles: the key has the permissions that both allow.
 *
 * @param origin from the allow list; redirects are not followed, because they could lead elsewhere
 * @throws {IamError} of the CONVERSION rows
 */
export async function readNativeKey(origin: string, credential: string): Promise<NativeKey> {
  const self = await get(origin, '/_security/_authenticate', credential, authenticateSchema);
  if (self.authentication_type !== 'api_key' || self.api_key === undefined) {
    throw new IamError('CONVERSION_KEY', {
      message: 'The Elasticsearch endpoint does not recognize this as a native API key.',
    });
  }
  const path = `/_security/api_key?id=${encodeURIComponent(self.api_key.id)}&with_limited_by=true`;
  const { api_keys: keys } = await get(
    origin,
    path,
    credential,
    z.object({ api_keys: z.array(nativeKeySchema) }),
  );
  const key = keys.find(({ id }) => id === self.api_key?.id);
  if (key === undefined) {
    throw new IamError('CONVERSION_RIGHTS', {
      message: 'The native API key cannot read its own definition.',
    });
  }
  return key;
}

async function get<T extends z.ZodType>(
  origin: string,
  path: string,
  credential: string,
  schema: T,
): Promise<z.output<T>> {
  const response = await request(`${origin}${path}`, credential);
  if (response.status === 401) throw new IamError('CONVERSION_KEY');
  if (response.status === 403) {
    throw new IamError('CONVERSION_RIGHTS', {
      message:
        'The native API key cannot read its own definition. Elasticsearch requires the privilege manage_api_key for this.',
    });
  }
  if (response.status !== 200) throw new IamError('CONVERSION_UNAVAILABLE');
  const parsed = schema.safeParse(response.body);
  if (!parsed.success) throw new IamError('CONVERSION_UNAVAILABLE', { cause: parsed.error });
  return parsed.data;
}

async function request(url: string, credential: string): Promise<{ status: number; body: unknown }> {
  try {
    const response = await fetch(url, {
      headers: { authorization: `ApiKey ${credential}`, accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, body: JSON.parse(await boundedText(response)) };
  } catch (error) {
    throw new IamError('CONVERSION_UNAVAILABLE', { cause: error });
  }
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_RESPONSE_BYTES) throw new Error('the response is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
