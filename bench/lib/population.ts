import { createHash } from 'node:crypto';
import { viewerOn } from './region-database.ts';
import type { Context } from './requests.ts';

/**
 * A realistic population of keys: each organization has hundreds of keys, and each key has one of a few sets of role
 * assignments on the projects of its organization.
 */
const KEYS_PER_ORGANIZATION = 500;
const ASSIGNMENT_SETS = 20;
const USERS_PER_ORGANIZATION = 20;

function name(kind: string, index: number): string {
  return createHash('md5').update(`${kind} ${index}`).digest('hex');
}

/** The organization of the n-th key. */
export function organizationOf(index: number): string {
  return name('organization', Math.floor(index / KEYS_PER_ORGANIZATION));
}

/** The project in the requests of the n-th key. */
export function projectOf(index: number): Context {
  const organization = Math.floor(index / KEYS_PER_ORGANIZATION);
  const assignmentSet = index % ASSIGNMENT_SETS;
  return {
    projectId: name(`project of ${organization}`, assignmentSet),
    projectType: 'elasticsearch',
    organizationId: organizationOf(index),
  };
}

/** The role assignments of the n-th key: `viewer` on one of the projects of its organization. */
export function roleAssignmentsOf(index: number): unknown {
  const { organizationId, projectId } = projectOf(index);
  return viewerOn(organizationId, projectId);
}

/** The user who created the n-th key. All users of an organization have the same number of keys. */
export function creatorOf(index: number): string {
  return name(
    `user of ${organizationOf(index)}`,
    Math.floor(index / ASSIGNMENT_SETS) % USERS_PER_ORGANIZATION,
  );
}
