import { hash } from 'node:crypto';
import { BoundedCache } from '../../lib/bounded-cache.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';
import type { KeyRecord } from '../key-record.ts';

/** Of an entry, beside its value. */
const ENTRY_BYTES = 250;
/** Short names take the most: the three characters of `"a",` become a string of 24 bytes and a pointer. */
const PARSED_BYTES_PER_CHARACTER = 6;

/** Keeps one copy of values that many entries share. An eviction is harmless: the next entry gets its own copy. */
export class Interner {
  readonly #texts: BoundedCache<string, string>;
  readonly #assignments: BoundedCache<string, RoleAssignments>;
  /** The same assignments by the text that Postgres stores. */
  readonly #stored: BoundedCache<string, RoleAssignments>;
  /** Estimated bytes of the assignments that have one object. */
  readonly #kept = new WeakMap<RoleAssignments, number>();

  /**
   * @param maxEntries maximum number of texts, and of assignments
   * @param maxBytes estimated size of the assignments
   */
  constructor(maxEntries: number, maxBytes = Number.POSITIVE_INFINITY) {
    this.#texts = new BoundedCache({ maxEntries });
    const of = (assignments: RoleAssignments) => ENTRY_BYTES + this.bytesOf(assignments);
    this.#assignments = new BoundedCache({ maxEntries, weight: { max: maxBytes / 2, of } });
    this.#stored = new BoundedCache({ maxEntries, weight: { max: maxBytes / 2, of } });
  }

  /**
   * Returns one object for equal role assignments of an organization, so that it can be the key of a WeakMap.
   */
  assignments(organizationId: string, json: string): RoleAssignments {
    const cacheKey = cacheKeyOf(organizationId, json);
    const kept = this.#assignments.get(cacheKey);
    if (kept !== undefined) return kept;
    const assignments = JSON.parse(json) as RoleAssignments;
    this.#kept.set(assignments, PARSED_BYTES_PER_CHARACTER * json.length);
    this.#assignments.set(cacheKey, assignments);
    return assignments;
  }

  /**
   * The same for stored JSON, which may be formatted differently and contain unknown fields. A new text is parsed,
   * checked and serialised once.
   * @param read parses and checks; if it throws, nothing is cached
   */
  storedAssignments(
    organizationId: string,
    json: string,
    read: (json: string) => RoleAssignments,
  ): RoleAssignments {
    const cacheKey = cacheKeyOf(organizationId, json);
    const kept = this.#stored.get(cacheKey);
    if (kept !== undefined) return kept;
    const assignments = this.assignments(organizationId, JSON.stringify(read(json)));
    this.#stored.set(cacheKey, assignments);
    return assignments;
  }

  /** Estimated bytes of assignments of this interner. */
  bytesOf(assignments: RoleAssignments): number {
    return this.#kept.get(assignments) ?? 0;
  }

  /** Returns the record with shared copies of the values that keys of an organization have in common. */
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
    const shared = this.#texts.get(text);
    if (shared !== undefined) return shared;
    this.#texts.set(text, text);
    return text;
  }
}

/**
 * A digest, since assignments of many projects are long. JSON from Postgres or `JSON.stringify` contains no line feed,
 * so the concatenation is unambiguous.
 */
function cacheKeyOf(organizationId: string, json: string): string {
  return hash('sha256', `${json}\n${organizationId}`, 'binary');
}
