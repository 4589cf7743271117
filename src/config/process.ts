import { z } from 'zod';
import { integer } from './types.ts';

/** The process: its log and the addresses where it listens. */
export const processSettings = {
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Minimum severity of log lines.'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on. The image sets 0.0.0.0.'),
  REGIONAL_PORT: integer(0, 65535).default(8080).describe('Port of the regional service.'),
  CONTROL_PLANE_PORT: integer(0, 65535).default(8081).describe('Port of the control plane.'),
  MANAGEMENT_PORT: integer(0, 65535).default(9090).describe('Port for probes and metrics.'),
  MANAGEMENT_HOST: z
    .string()
    .default('127.0.0.1')
    .describe(
      'Address of MANAGEMENT_PORT, which has no authentication. In Kubernetes the address of the pod, for its probes.',
    ),
} as const;
