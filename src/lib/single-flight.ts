/** Merges concurrent calls for the same key: one call does the work, all get its result or its error. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  run(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#flights.get(key);
    if (running !== undefined) return running;
    const flight = work();
    this.#flights.set(key, flight);
    const remove = () => this.#flights.delete(key);
    // Registered before any caller awaits the flight, so that a call after the result starts a new one.
    flight.then(remove, remove);
    return flight;
  }
}
