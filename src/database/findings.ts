/** What would make a migration fail, and the statement or step that fixes it. */
export interface Problem {
  message: string;
  fix: string;
}

/** The result of a preflight. */
export interface Findings {
  problems: readonly Problem[];
  /** What works, but not within the promised times, or not after a failover. */
  warnings: readonly Problem[];
  /** What only the migration itself will show. */
  unchecked: readonly string[];
}
