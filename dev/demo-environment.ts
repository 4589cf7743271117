import type { PortPlan } from './port-plan.ts';
import type { DevSecrets } from './secrets.ts';
import { DEMO_ORGANIZATION_ID, DEMO_PROJECT_ID, DEMO_PROJECT_TYPE } from './seeds.ts';

/** `NAME=value` lines that a shell can source and `iam` can read. */
function environmentFile(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quoted(value)}\n`)
    .join('');
}

/** Only settings of the user's environment, such as URLs, can need quotes. */
function quoted(value: string): string {
  if (/^[\w.:/@=+,%-]*$/.test(value)) return value;
  return value.includes("'") ? `"${value}"` : `'${value}'`;
}

/** Text of `.iam/demo.env`: the addresses of the local stack, and demo keys. */
export function demoEnvironment(plan: PortPlan, secrets: DevSecrets): string {
  const { owner = '', demo = '', internal = '' } = secrets.credentials;
  return environmentFile({
    IAM_REGIONAL_URL: `http://127.0.0.1:${plan.regional}`,
    IAM_CONTROL_PLANE_URL: `http://127.0.0.1:${plan.controlPlane}`,
    IAM_MANAGEMENT_URL: `http://127.0.0.1:${plan.regionalManagement}`,
    IAM_OWNER_KEY: owner,
    IAM_DEMO_KEY: demo,
    IAM_INTERNAL_KEY: internal,
    IAM_CLIENT_SECRET: secrets.clientSecret,
    IAM_ORGANIZATION_ID: DEMO_ORGANIZATION_ID,
    IAM_PROJECT_ID: DEMO_PROJECT_ID,
    IAM_PROJECT_TYPE: DEMO_PROJECT_TYPE,
  });
}

/** Text of `.iam/cli.env`: the settings with which `iam keys` and `iam roles` reach the primary. */
export function cliEnvironment(primaryUrl: string, credentialPrefix: string): string {
  return environmentFile({ PRIMARY_DATABASE_URL: primaryUrl, CREDENTIAL_PREFIX: credentialPrefix });
}

/**
 * Text of `.iam/regional.env`: the settings of one more regional service, for a debugger. It gets free ports, which it logs,
 * because the local stack uses its own.
 */
export function regionalEnvironment(settings: Readonly<Record<string, string>>): string {
  return environmentFile({ ...settings, REGIONAL_PORT: '0', MANAGEMENT_PORT: '0' });
}
