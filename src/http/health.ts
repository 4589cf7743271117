/** What the probes of a process are told. */
export interface HealthState {
  /** Became able to answer for the first time. */
  started: boolean;
  /** Has begun to stop: no new traffic, please. */
  closing: boolean;
  /** Why the process cannot answer at the moment; empty when it can. */
  obstacles(): readonly string[];
}
