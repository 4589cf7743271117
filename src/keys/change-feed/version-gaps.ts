interface Gap {
  first: number;
  last: number;
  /** Every transaction that was assigned a version of the gap has a lower id. */
  beforeXid: number;
}

/** Versions that no row has had yet, although a row with a higher version is visible. */
export class VersionGaps {
  /** Ascending and disjoint. */
  #gaps: Gap[] = [];

  get size(): number {
    return this.#gaps.length;
  }

  get ranges(): { firsts: number[]; lasts: number[] } {
    return { firsts: this.#gaps.map(({ first }) => first), lasts: this.#gaps.map(({ last }) => last) };
  }

  /** @param first above every gap so far */
  add(first: number, last: number, beforeXid: number): void {
    this.#gaps.push({ first, last, beforeXid });
  }

  /** Removes versions that have appeared. One pass, since a large transaction may fill many gaps. */
  fill(versions: readonly number[]): void {
    const ascending = versions.toSorted((a, b) => a - b);
    let next = 0;
    this.#gaps = this.#gaps.flatMap((gap) => {
      const rest: Gap[] = [];
      let { first } = gap;
      for (; next < ascending.length; next += 1) {
        const version = ascending[next] as number;
        if (version > gap.last) break;
        if (version > first) rest.push({ ...gap, first, last: version - 1 });
        first = Math.max(first, version + 1);
      }
      if (first <= gap.last) rest.push({ ...gap, first });
      return rest;
    });
  }

  /** Forgets the gaps whose transactions have all ended: their versions were overwritten or rolled back. */
  forget(oldestRunningXid: number): void {
    this.#gaps = this.#gaps.filter(({ beforeXid }) => beforeXid > oldestRunningXid);
  }

  clear(): void {
    this.#gaps = [];
  }
}
