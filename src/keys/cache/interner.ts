import { hash } from 'node:crypto';
import { BoundedCache } from '../../lib/bounded-cache.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';
import type { KeyRecord } from '../key-record.ts';

/** Keeps one copy of values that many entries share. Forgetting one is harmless: the next holder has a copy of its own. */
export class Interner {
  readonly #texts: BoundedCache<string, string>;
  readonly #assignments: BoundedCache<string, RoleAssignments>;
  /** The same by the text that Postgres writes for them. */
  readonly #stored: BoundedCache<string, RoleAssignments>;
  readonly #kept = new WeakSet<RoleAssignments>();

  /** @param maxEntries most texts, and most assignments, that are kept */
  constructor(maxEntries: number) {
    this.#texts = new BoundedCache({ maxEntries });
    this.#assignments = new BoundedCache({ maxEntries });
    this.#stored = new BoundedCache({ maxEntries });
  }

  /**
   * Role assignments by their JSON text. Equal assignments within an organization become one object, so that what
   * follows from them can be remembered by it.
   */
  assignments(organizationId: string, json: string): RoleAssignments {
    const name = nameOf(organizationId, json);
    const kept = this.#assignments.get(name);
    if (kept !== undefined) return kept;
    const assignments = JSON.parse(json) as RoleAssignments;
    this.#kept.add(assignments);
    this.#assignments.set(name, assignments);
    return assignments;
  }

  /**
   * Role assignments by their JSON text as it is stored, which may be spelt in another way and hold what we do not
   * know: a text is read, checked and spelt anew the first time it is seen.
   * @param read may throw; nothing is kept then
   */
  storedAssignments(
    organizationId: string,
    json: string,
    read: (json: string) => RoleAssignments,
  ): RoleAssignments {
    const name = nameOf(organizationId, json);
    const kept = this.#stored.get(name);
    if (kept !== undefined) return kept;
    const assignments = this.assignments(organizationId, JSON.stringify(read(json)));
    this.#stored.set(name, assignments);
    return assignments;
  }

  /** The record with the parts in common that keys of one organization usually share. */
  record(record: KeyRecord): KeyRecord {
    const { organizationId, createdBy, roleAssignments } = record;
    return {
      ...record,
      organizationId: this.#text(organizationId),
      createdBy: this.#text(createdBy),
      roleAssignments: this.#kept.has(roleAssignments)
        ? roleAssignments
        : this.assignments(organizationId, JSON.stringify(roleAssignments)),
    };
  }

  #text(text: string): string {
    const kept = this.#texts.get(text);
    if (kept !== undefined) return kept;
    this.#texts.set(text, text);
    return text;
  }
}

/**
 * Assignments of many projects are long, a digest is not. JSON that Postgres or `JSON.stringify` wrote holds no line
 * feed, so no two pairs share a name.
 */
function nameOf(organizationId: string, json: string): string {
  return hash('sha256', `${json}\n${organizationId}`, 'binary');
}
