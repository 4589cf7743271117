/** Joins callers that ask the same thing at the same time: one does the work, all get its result or its error. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  run(name: string, work: () => Promise<T>): Promise<T> {
    const flying = this.#flights.get(name);
    if (flying !== undefined) return flying;
    const flight = work().finally(() => this.#flights.delete(name));
    this.#flights.set(name, flight);
    return flight;
  }
}
