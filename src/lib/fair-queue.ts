/**
 * A queue in which owners take turns, each served in the order of arrival. Adding and taking cost the same however
 * long it is; `dropFromLongest` looks at every owner.
 */
export class FairQueue<T> {
  /** Owners in the order of their turns. */
  readonly #lines = new Map<string, T[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(owner: string, item: T): void {
    const line = this.#lines.get(owner);
    if (line === undefined) this.#lines.set(owner, [item]);
    else line.push(item);
    this.#size += 1;
  }

  /** The oldest item of the owner whose turn it is. */
  shift(): T | undefined {
    const turn = this.#lines.entries().next().value;
    if (turn === undefined) return undefined;
    const [owner, line] = turn;
    const item = line.shift();
    this.#lines.delete(owner);
    if (line.length > 0) this.#lines.set(owner, line);
    this.#size -= 1;
    return item;
  }

  /** Takes back the newest item of the owner that has the most; of equals, of the one whose turn is farthest away. */
  dropFromLongest(): T | undefined {
    let longest: [owner: string, line: T[]] | undefined;
    for (const line of this.#lines) {
      if (longest === undefined || line[1].length >= longest[1].length) longest = line;
    }
    if (longest === undefined) return undefined;
    const [owner, line] = longest;
    const item = line.pop();
    if (line.length === 0) this.#lines.delete(owner);
    this.#size -= 1;
    return item;
  }
}
