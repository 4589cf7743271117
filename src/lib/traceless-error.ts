/**
 * An error of ordinary operation, such as a refusal. It has no stack trace: under a storm of refusals, traces that no one reads
 * took a large share of the processor's time (bench case `restart-storm`).
 */
export class TracelessError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
  }
}
