import { LRUCache } from 'lru-cache';
import type { RoleAssignments } from '../../roles/role-assignments.ts';
import type { KeyRecord } from '../key-record.ts';
import { atMost } from './bounded.ts';

/** Keeps one copy of values that many entries share. Forgetting one is harmless: the next holder has a copy of its own. */
export class Interner {
  readonly #texts: LRUCache<string, string>;
  readonly #assignments: LRUCache<string, RoleAssignments>;
  readonly #kept = new WeakSet<RoleAssignments>();

  /** @param maxEntries most texts, and most assignments, that are kept */
  constructor(maxEntries: number) {
    this.#texts = new LRUCache(atMost(maxEntries));
    this.#assignments = new LRUCache(atMost(maxEntries));
  }

  /**
   * Role assignments by their JSON text. Equal assignments within an organization become one object, so that what
   * follows from them can be remembered by it.
   */
  assignments(organizationId: string, json: string): RoleAssignments {
    const name = JSON.stringify([organizationId, json]);
    const kept = this.#assignments.get(name);
    if (kept !== undefined) return kept;
    const assignments = JSON.parse(json) as RoleAssignments;
    this.#kept.add(assignments);
    this.#assignments.set(name, assignments);
    return assignments;
  }

  /** The record with the parts in common that keys of one organization usually share. */
  record(record: KeyRecord): KeyRecord {
    const { organizationId, createdBy, roleAssignments } = record;
    return {
      ...record,
      organizationId: this.text(organizationId),
      createdBy: this.text(createdBy),
      roleAssignments: this.#kept.has(roleAssignments)
        ? roleAssignments
        : this.assignments(organizationId, JSON.stringify(roleAssignments)),
    };
  }

  /** One copy of a text. */
  text(text: string): string {
    const kept = this.#texts.get(text);
    if (kept !== undefined) return kept;
    this.#texts.set(text, text);
    return text;
  }
}
