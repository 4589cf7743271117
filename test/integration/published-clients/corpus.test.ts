import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  CLIENT_SECRET,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { insertKey, projectRoles } from '../../support/keys.ts';
import {
  elasticsearchRoleDeleted,
  elasticsearchRoles,
  elasticsearchRoleWritten,
  publishedEmpty,
  publishedFailure,
  publishedKey,
  publishedKeys,
  publishedOrganization,
  publishedOrganizations,
  uiamAuthentication,
  uiamConversion,
  uiamError,
  uiamGrant,
} from '../../support/published-shapes.ts';
import { startRegional, type TestRegional } from '../../support/regional.ts';

const SHAPES = {
  key: publishedKey,
  keys: publishedKeys,
  organization: publishedOrganization,
  organizations: publishedOrganizations,
  empty: publishedEmpty,
  failure: publishedFailure,
  grant: uiamGrant,
  conversion: uiamConversion,
  authentication: uiamAuthentication,
  error: uiamError,
  roles: elasticsearchRoles,
  'role written': elasticsearchRoleWritten,
  'role deleted': elasticsearchRoleDeleted,
  nothing: z.undefined(),
} as const;

/** A request in the exact form of a client. `{{name}}` stands for a value of the test or of an earlier response. */
interface Step {
  name: string;
  to: 'control-plane' | 'region';
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: unknown;
  expect: { status: number; shape: keyof typeof SHAPES };
  /** Values of the response for later steps, by the path of the field. */
  save?: Record<string, string>;
}

let databases: TestDatabases;
let controlPlane: TestControlPlane;
let region: TestRegional;
let given: Record<string, string>;
beforeAll(async () => {
  databases = await createDatabases();
  controlPlane = await startTestControlPlane(
    {},
    {
      pool: databases.primary,
      url: databases.primaryUrl,
      controlPlaneUrl: databases.primaryUrl,
    },
  );
  region = await startRegional(databases.replicaUrl, {
    CONTROL_PLANE_URL: controlPlane.url,
    DATABASE_CONNECT_TIMEOUT_MS: '5000',
  });
  const owner = await newOrganization(databases.primary);
  const { organizationId } = owner;
  const roleAssignments = projectRoles('elasticsearch', 'shop', ['viewer']);
  const internal = await insertKey(databases.primary, { organizationId, internal: true, roleAssignments });
  const external = await insertKey(databases.primary, { organizationId, roleAssignments });
  await databases.replicated();
  given = {
    owner: owner.credential,
    internal: internal.credential,
    external: external.credential,
    organization: organizationId,
    'client secret': CLIENT_SECRET,
  };
});
afterAll(async () => {
  await region?.close();
  await controlPlane?.close();
  await databases?.close();
});

function stepsOf(client: string): Step[] {
  return JSON.parse(readFileSync(new URL(`../../corpus/${client}.json`, import.meta.url), 'utf8'));
}

/** Repeats `{"repeat": n, "of": item}`: batches would be long files. */
function expanded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(expanded);
  if (typeof value !== 'object' || value === null) return value;
  const { repeat, of } = value as { repeat?: number; of?: unknown };
  if (repeat !== undefined) return Array.from({ length: repeat }, () => expanded(of));
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, expanded(inner)]));
}

describe.each(['cloud-sdk-go', 'kibana', 'agent-scripts'])('the requests of %s', (client) => {
  const values: Record<string, string> = {};
  const filled = (text: string) =>
    text.replace(/\{\{([^}]+)\}\}/g, (_match, name: string) => {
      const value = values[name] ?? given[name];
      if (value === undefined) throw new Error(`No value for {{${name}}}`);
      return value;
    });

  it.each(stepsOf(client))('$name', async (step) => {
    const { url } = step.to === 'region' ? region : controlPlane;
    const response = await fetch(`${url}${filled(step.path)}`, {
      method: step.method,
      headers: Object.fromEntries(Object.entries(step.headers).map(([name, value]) => [name, filled(value)])),
      ...(step.body !== undefined && { body: filled(JSON.stringify(expanded(step.body))) }),
    });
    const text = await response.text();
    const body = text === '' ? undefined : JSON.parse(text);
    expect(response.status, text).toBe(step.expect.status);
    expect(SHAPES[step.expect.shape].safeParse(body).error).toBeUndefined();
    for (const [name, field] of Object.entries(step.save ?? {})) values[name] = body[field];
  });
});
