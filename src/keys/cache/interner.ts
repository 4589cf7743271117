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

  /** The record with the parts in common that keys of one organization usually share. */
  record(record: KeyRecord): KeyRecord {
    const assignments = JSON.stringify(record.roleAssignments);
    return {
      ...record,
      organizationId: this.text(record.organizationId),
      createdBy: this.text(record.createdBy),
      roleAssignments: this.#keep(`assignments ${assignments}`, () => ({ value: record.roleAssignments }))
        .value,
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
