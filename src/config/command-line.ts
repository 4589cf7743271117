import { z } from 'zod';
import { serverUrl } from './types.ts';

/** Where the command line works. */
export const commandLineSettings = {
  IAM_CONTROL_PLANE_URL: serverUrl(/^https?$/)
    .optional()
    .describe(
      'Control plane that iam keys, iam roles and iam audit use instead of a database, with IAM_API_KEY.',
    ),
  IAM_API_KEY: z.string().optional().meta({ secret: true }).describe('Credential for IAM_CONTROL_PLANE_URL.'),
  IAM_PROFILE: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, ".", "_" and "-" only')
    .optional()
    .describe('Profile of iam login that commands use. It takes precedence over the two settings above.'),
} as const;
