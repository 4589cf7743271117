import type { Change, ChangeListener } from './change-feed/change.ts';

/**
 * Waits until keys have reached the replica of this region. The change feed reports each arrival; a query before and after
 * the wait covers keys that arrived earlier, and a feed that is interrupted.
 */
export class KeyArrival implements ChangeListener {
  readonly #countExisting: (ids: readonly string[]) => Promise<number>;
  readonly #waiting = new Map<string, Set<() => void>>();

  /** @param countExisting counts those of the ids that the replica has */
  constructor(countExisting: (ids: readonly string[]) => Promise<number>) {
    this.#countExisting = countExisting;
  }

  apply(change: Change): void {
    if (change.entity === 'key') for (const arrived of this.#waiting.get(change.id) ?? []) arrived();
  }

  /** @returns whether the replica has all of the keys; `false` after `timeoutMs`, or if the replica does not respond */
  async wait(ids: readonly string[], timeoutMs: number): Promise<boolean> {
    const pending = new Set(ids);
    const done = Promise.withResolvers<void>();
    const listeners = ids.map((id) => {
      const arrived = () => {
        pending.delete(id);
        if (pending.size === 0) done.resolve();
      };
      this.#listen(id, arrived);
      return { id, arrived };
    });
    const timer = setTimeout(done.resolve, timeoutMs);
    try {
      // After the listeners: a key that arrives during the query is not missed.
      if (await this.#allExist(ids)) return true;
      await done.promise;
      return pending.size === 0 || (await this.#allExist(ids));
    } finally {
      clearTimeout(timer);
      for (const { id, arrived } of listeners) this.#forget(id, arrived);
    }
  }

  async #allExist(ids: readonly string[]): Promise<boolean> {
    return await this.#countExisting(ids).then(
      (count) => count === ids.length,
      () => false,
    );
  }

  #listen(id: string, arrived: () => void): void {
    const listeners = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, listeners.add(arrived));
  }

  #forget(id: string, arrived: () => void): void {
    const listeners = this.#waiting.get(id);
    listeners?.delete(arrived);
    if (listeners?.size === 0) this.#waiting.delete(id);
  }
}
