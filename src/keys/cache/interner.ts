import { LRUCache } from 'lru-cache';
import type { KeyRecord } from '../key-record.ts';

/** Keeps one copy of values that many entries share. Forgetting one is harmless: the next holder has a copy of its own. */
export class Interner {
  readonly #values: LRUCache<string, object>;

  constructor(maxEntries: number) {
    this.#values = new LRUCache({ max: maxEntries });
  }

  /** The copy that is kept of an equal text. */
  text(text: string): string {
    return this.#keep(text, () => ({ value: text })).value;
  }

  /**
   * The record with the parts in common that keys of one organization usually share. Equal assignments within an
   * organization become one object, so that what follows from them can be remembered by it.
   */
  record(record: KeyRecord): KeyRecord {
    const { organizationId, createdBy, roleAssignments } = record;
    const name = `${organizationId}\n${JSON.stringify(roleAssignments)}`;
    return {
      ...record,
      organizationId: this.text(organizationId),
      createdBy: this.text(createdBy),
      roleAssignments: this.#keep(name, () => ({ value: roleAssignments })).value,
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
