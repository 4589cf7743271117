interface Flight<T> {
  result: Promise<T>;
  /** Whether each of its callers has left. */
  callers: (() => boolean)[];
}

const stays = () => false;

/** Merges concurrent calls for the same key: one call does the work, all get its result or its error. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /**
   * @param work gets a function that returns whether all callers have left
   * @param isGone whether this caller has left
   */
  run(
    key: string,
    work: (areAllGone: () => boolean) => Promise<T>,
    isGone: () => boolean = stays,
  ): Promise<T> {
    const running = this.#flights.get(key);
    if (running !== undefined) {
      running.callers.push(isGone);
      return running.result;
    }
    const callers = [isGone];
    const result = work(() => callers.every((caller) => caller()));
    this.#flights.set(key, { result, callers });
    const remove = () => this.#flights.delete(key);
    // Registered before any caller awaits the flight, so that a call after the result starts a new one.
    result.then(remove, remove);
    return result;
  }
}
