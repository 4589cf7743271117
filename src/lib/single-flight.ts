/** Joins callers that ask the same thing at the same time: one does the work, all get its result or its error. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  run(name: string, work: () => Promise<T>): Promise<T> {
    const flying = this.#flights.get(name);
    if (flying !== undefined) return flying;
    const flight = work();
    this.#flights.set(name, flight);
    const landed = () => this.#flights.delete(name);
    // Registered before any caller can wait for it: whoever asks after the result begins a new flight.
    flight.then(landed, landed);
    return flight;
  }
}
