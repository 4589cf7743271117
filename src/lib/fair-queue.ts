/** Items of an owner: first in, first out, or one line for each part of the owner. */
interface Line<T> {
  size: number;
  readonly items: T[];
  /** In the order of the turns. */
  readonly parts: Map<string, Line<T>>;
}

/**
 * A queue that serves its owners in turn, the parts of each owner in turn, and the items of each part first in, first
 * out. An owner is a path, for example an organization and a key of it; all paths have the same length. `push` and
 * `shift` take constant time; `dropFromLongest` visits every owner, and every part of one.
 */
export class FairQueue<T> {
  readonly #all = newLine<T>();

  get size(): number {
    return this.#all.size;
  }

  push(owner: readonly string[], item: T): void {
    let line = this.#all;
    line.size += 1;
    for (const part of owner) {
      let next = line.parts.get(part);
      if (next === undefined) {
        next = newLine();
        line.parts.set(part, next);
      }
      line = next;
      line.size += 1;
    }
    line.items.push(item);
  }

  /** Removes the oldest item of the next part of the next owner. @param may whether an owner can be served now */
  shift(may: (owner: string) => boolean = () => true): T | undefined {
    return shiftFrom(this.#all, may);
  }

  /** Removes an item that was pushed with this owner, if it is still inside. Visits the items of that part. */
  remove(owner: readonly string[], item: T): void {
    removeFrom(this.#all, owner, item);
  }

  /**
   * Removes an item of the owner with the most items, from its part with the most: the newest. Among equals it takes the
   * owner, or part, whose turn is last.
   */
  dropFromLongest(): T | undefined {
    return dropFrom(this.#all);
  }
}

function newLine<T>(): Line<T> {
  return { size: 0, items: [], parts: new Map() };
}

function shiftFrom<T>(line: Line<T>, may: (part: string) => boolean = () => true): T | undefined {
  const turn = firstOf(line.parts, may);
  if (turn === undefined && line.items.length === 0) return undefined;
  line.size -= 1;
  if (turn === undefined) return line.items.shift();
  const [part, next] = turn;
  const item = shiftFrom(next);
  line.parts.delete(part);
  if (next.size > 0) line.parts.set(part, next);
  return item;
}

function firstOf<T>(lines: Map<string, T>, may: (part: string) => boolean): [string, T] | undefined {
  for (const entry of lines) {
    if (may(entry[0])) return entry;
  }
  return undefined;
}

/** @returns whether the item was inside */
function removeFrom<T>(line: Line<T>, [part, ...parts]: readonly string[], item: T): boolean {
  const next = part === undefined ? undefined : line.parts.get(part);
  const at = line.items.indexOf(item);
  if (next === undefined && at < 0) return false;
  if (next === undefined) line.items.splice(at, 1);
  else if (!removeFrom(next, parts, item)) return false;
  else if (next.size === 0) line.parts.delete(part as string);
  line.size -= 1;
  return true;
}

function dropFrom<T>(line: Line<T>): T | undefined {
  let longest: [part: string, line: Line<T>] | undefined;
  for (const entry of line.parts) {
    if (longest === undefined || entry[1].size >= longest[1].size) longest = entry;
  }
  if (longest === undefined && line.items.length === 0) return undefined;
  line.size -= 1;
  if (longest === undefined) return line.items.pop();
  const [part, next] = longest;
  const item = dropFrom(next);
  if (next.size === 0) line.parts.delete(part);
  return item;
}
