/**
 * A queue that serves its owners in turn, and the items of each owner first in, first out. `push` and `shift` take
 * constant time; `dropFromLongest` visits every owner.
 */
export class FairQueue<T> {
  /** Items by owner, in the order of the turns. */
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

  /** Removes the oldest item of the next owner. */
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

  /** Removes the newest item of the owner with the most items; among equals, of the owner whose turn is last. */
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
