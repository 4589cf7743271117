import { z } from 'zod';

/*
 * The shapes of the Elastic Cloud API as its published specification has them, written independently of the schemas of
 * the product. Generated clients decode responses with them; fields that they do not know are ignored.
 */

const entry = {
  role_id: z.string(),
  organization_id: z.string(),
  application_roles: z.array(z.string()).optional(),
};

const roleAssignments = z.object({
  platform: z.array(z.object({ role_id: z.string() })).optional(),
  organization: z.array(z.object({ role_id: z.string(), organization_id: z.string() })).optional(),
  deployment: z
    .array(
      z.object({ ...entry, all: z.boolean().optional(), deployment_ids: z.array(z.string()).optional() }),
    )
    .optional(),
  project: z
    .record(
      z.string(),
      z.array(
        z.object({ ...entry, all: z.boolean().optional(), project_ids: z.array(z.string()).optional() }),
      ),
    )
    .optional(),
});

export const publishedKey = z.object({
  id: z.string(),
  description: z.string(),
  creation_date: z.iso.datetime(),
  user_id: z.string().optional(),
  organization_id: z.string().optional(),
  key: z.string().optional(),
  expiration_date: z.iso.datetime().optional(),
  role_assignments: roleAssignments.optional(),
});

export const publishedKeys = z.object({ keys: z.array(publishedKey) });

export const publishedOrganization = z.object({ id: z.string(), name: z.string() });

export const publishedOrganizations = z.object({
  organizations: z.array(publishedOrganization),
  next_page: z.string().optional(),
});

export const publishedFailure = z.object({
  errors: z
    .array(z.object({ code: z.string(), message: z.string(), fields: z.array(z.string()).optional() }))
    .min(1),
});

export const publishedEmpty = z.strictObject({});
