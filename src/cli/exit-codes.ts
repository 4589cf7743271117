/** Exit codes of all commands. `iam --help` prints them. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  unavailable: 5,
  notInStep: 6,
} as const;

export const exitCodeHelp = `
Exit codes: 0 success · 1 failure · 2 invalid command line or setting · 3 not found · 4 refused or invalid ·
            5 the database or the service is unavailable, try again · 6 the region is not in step with the primary`;
