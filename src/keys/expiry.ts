/**
 * Whether a time that the control plane has set, such as an expiry, has passed. `undefined` if this process cannot tell, because
 * its clock and the clock of the replica disagree about it, and one of them is wrong.
 */
export type HasPassed = (atMs: number) => boolean | undefined;
