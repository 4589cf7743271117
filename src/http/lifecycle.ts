/** A part of a running process that can be stopped; `close` may be called more than once. */
export interface Running {
  close(): Promise<void>;
}
