/** What the commands tell a shell. `iam --help` shows this table. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  unavailable: 5,
} as const;

export const exitCodeHelp = `
Exit codes: 0 done · 1 failed · 2 wrong use of the command line · 3 not found · 4 refused or invalid ·
            5 the database or the service is not available, try again`;
