/**
 * An error of ordinary operation, such as a refusal. It has no stack trace: under a storm of refusals, most of the processor's time
 * went into traces that no one reads (bench case `restart-storm`).
 */
export class TracelessError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
  }
}
