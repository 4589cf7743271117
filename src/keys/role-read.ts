import type { RoleBudget } from './role-budget.ts';
import { type LoadedRoles, type RoleScope, roleScopeId } from './role-store.ts';

/** A role to read; `null` for all roles of the scope. `bytes` is its size if an earlier statement has returned it. */
export interface Wanted {
  read: RoleRead;
  name: string | null;
  bytes: number;
}

/** One call that reads roles of a scope, in as many statements as their size needs. */
export class RoleRead {
  readonly scope: RoleScope;
  readonly scopeId: string;
  readonly budget: RoleBudget | undefined;
  readonly queuedAtMs = performance.now();
  readonly result = Promise.withResolvers<LoadedRoles>();
  readonly roles = new Map<string, string>();
  /** Before its first statement. A change since then makes the caller read again. */
  readonly confirmedAtMs: number;
  #bytes = 0;
  /** Names whose size is unknown, and roles that did not fit into an earlier statement. */
  readonly #names: (string | null)[];
  readonly #sized: Wanted[] = [];

  constructor(
    scope: RoleScope,
    names: readonly string[] | undefined,
    budget: RoleBudget | undefined,
    nowMs: number,
  ) {
    this.scope = scope;
    this.confirmedAtMs = nowMs;
    this.scopeId = roleScopeId(scope);
    this.budget = budget;
    this.#names = names === undefined ? [null] : [...new Set(names)].reverse();
  }

  get isComplete(): boolean {
    return this.#names.length === 0 && this.#sized.length === 0;
  }

  /** Takes roles of known size while they fit. The first of a statement always fits. */
  takeSized(maxBytes: number, isFirst: boolean): Wanted[] {
    let left = maxBytes;
    let count = 0;
    for (const { bytes } of this.#sized) {
      if (bytes > left && !(isFirst && count === 0)) break;
      left -= bytes;
      count += 1;
    }
    return this.#sized.splice(0, count);
  }

  takeNames(count: number): Wanted[] {
    const names = this.#names.splice(Math.max(0, this.#names.length - count));
    return names.reverse().map((name) => ({ read: this, name, bytes: 0 }));
  }

  /** Notes a role that is too large for the statement that found it. */
  postpone(name: string, bytes: number): void {
    this.#sized.push({ read: this, name, bytes });
  }

  /** Counts a role whose size is new. */
  count(bytes: number): void {
    this.#bytes += bytes;
    this.budget?.note(this.scopeId, this.#bytes);
  }
}
