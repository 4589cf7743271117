import { createHash } from 'node:crypto';
import { viewerOn } from './region-database.ts';
import type { Context } from './requests.ts';

/**
 * A population of keys as regions see it: organizations with hundreds of keys each, which were given one of few shapes
 * of role assignments on the projects of their organization.
 */
const KEYS_OF_AN_ORGANIZATION = 500;
const SHAPES = 20;
const USERS = 20;

function name(kind: string, index: number): string {
  return createHash('md5').update(`${kind} ${index}`).digest('hex');
}

/** The organization that the n-th key belongs to. */
export function organizationOf(index: number): string {
  return name('organization', Math.floor(index / KEYS_OF_AN_ORGANIZATION));
}

/** The project that the n-th key is asked about. */
export function projectOf(index: number): Context {
  const organization = Math.floor(index / KEYS_OF_AN_ORGANIZATION);
  const shape = index % SHAPES;
  return {
    projectId: name(`project of ${organization}`, shape),
    projectType: 'elasticsearch',
    organizationId: organizationOf(index),
  };
}

/** The role assignments of the n-th key: `viewer` on one of the projects of its organization. */
export function assignmentShape(index: number): unknown {
  const { organizationId, projectId } = projectOf(index);
  return viewerOn(organizationId, projectId);
}

/** The user who made the n-th key. All users of an organization made as many. */
export function creatorOf(index: number): string {
  return name(`user of ${organizationOf(index)}`, Math.floor(index / SHAPES) % USERS);
}
