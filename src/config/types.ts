import { z } from 'zod';
import { urlProblem } from '../lib/url-problem.ts';

export const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
export const list = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean),
  )
  .pipe(z.array(z.string()));
export const secrets = list.pipe(
  z
    .array(z.string().min(16, 'each secret must have at least 16 characters (openssl rand -base64 32)'))
    .min(1, 'names no secret'),
);
/** A URL of a server, whose authority no error or log line may show in parts. */
export const serverUrl = (protocol: RegExp) =>
  z
    .url({ protocol, error: ({ input }) => urlProblem(String(input)) ?? 'Invalid URL' })
    .refine((text) => urlProblem(text) === undefined, { error: ({ input }) => urlProblem(String(input)) });
export const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
