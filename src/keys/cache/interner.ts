import { LRUCache } from 'lru-cache';
import type { RoleAssignments } from '../../roles/role-assignments.ts';
import type { KeyRecord } from '../key-record.ts';

/** Keeps one copy of values that many entries share. Forgetting one is harmless: the next holder has a copy of its own. */
export class Interner {
  readonly #values: LRUCache<string, object>;
  readonly #assignments = new WeakSet<RoleAssignments>();

  constructor(maxEntries: number) {
    this.#values = new LRUCache({ max: maxEntries });
  }

  /** The copy that is kept of an equal text. */
  text(text: string): string {
    return this.#keep(text, () => ({ value: text })).value;
  }

  /**
   * Role assignments by their JSON text. Equal assignments within an organization become one object, so that what
   * follows from them can be remembered by it.
   */
  assignments(organizationId: string, json: string): RoleAssignments {
    const { value } = this.#keep(`${organizationId}\n${json}`, () => ({
      value: JSON.parse(json) as RoleAssignments,
    }));
    this.#assignments.add(value);
    return value;
  }

  /** The record with the parts in common that keys of one organization usually share. */
  record(record: KeyRecord): KeyRecord {
    const { organizationId, createdBy, roleAssignments } = record;
    return {
      ...record,
      organizationId: this.text(organizationId),
      createdBy: this.text(createdBy),
      roleAssignments: this.#assignments.has(roleAssignments)
        ? roleAssignments
        : this.assignments(organizationId, JSON.stringify(roleAssignments)),
    };
  }

  #keep<T>(name: string, make: () => { value: T }): { value: T } {
    const kept = this.#values.get(name) as { value: T } | undefined;
    if (kept !== undefined) return kept;
    const made = make();
    this.#values.set(name, made);
    return made;
  }
}
