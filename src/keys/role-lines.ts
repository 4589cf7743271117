import { OverloadedError } from './key-store.ts';
import { RolesTooLargeError } from './role-budget.ts';
import type { RoleRead, Wanted } from './role-read.ts';
import type { LoadedRoles } from './role-store.ts';

/** Reads that wait per organization. A request has at most 1,000 contexts. */
const MAX_WAITING = 5_000;
/** How long a read waits for its turns. A request for 48 MB of roles takes about two seconds. */
const MAX_WAIT_MS = 10_000;
/** Roles whose size is unknown, in one statement: Postgres decompresses each to measure it. */
const MAX_NAMES = 200;

/**
 * Serves the reads of each organization one statement at a time, and different organizations at once: so the large roles of one
 * take no more than one connection. What arrives during a statement shares the next one.
 */
export class RoleLines {
  readonly #lines = new Map<string, Set<RoleRead>>();
  readonly #maxBytes: number;
  readonly #load: (wanted: readonly Wanted[]) => Promise<void>;

  /**
   * @param maxBytes of the roles of a statement whose size is known
   * @param load runs one statement and gives its rows to the reads
   */
  constructor(maxBytes: number, load: (wanted: readonly Wanted[]) => Promise<void>) {
    this.#maxBytes = maxBytes;
    this.#load = load;
  }

  /** @throws `OverloadedError` if too many reads of the organization wait, or for too long; `RolesTooLargeError` */
  async add(read: RoleRead): Promise<LoadedRoles> {
    const { organizationId } = read.scope;
    const line = this.#lines.get(organizationId);
    if (line === undefined) {
      const started = new Set([read]);
      this.#lines.set(organizationId, started);
      // All reads of this turn of the event loop share the first statement.
      setImmediate(() => void this.#serve(organizationId, started));
    } else if (line.size >= MAX_WAITING) throw overloaded();
    else line.add(read);
    return await read.result.promise;
  }

  async #serve(organizationId: string, line: Set<RoleRead>): Promise<void> {
    while (line.size > 0) {
      const wanted = this.#next(line);
      const reads = new Set(wanted.map(({ read }) => read));
      try {
        if (wanted.length > 0) await this.#load(wanted);
      } catch (error) {
        for (const read of reads) {
          line.delete(read);
          read.result.reject(error);
        }
      }
      settle(line);
    }
    this.#lines.delete(organizationId);
  }

  /** The roles of the next statement, the oldest reads first: what is known to fit, and names whose size is unknown. */
  #next(line: Set<RoleRead>): Wanted[] {
    const sized: Wanted[] = [];
    const unknown: Wanted[] = [];
    let left = this.#maxBytes;
    for (const read of line) {
      for (const one of read.takeSized(left, sized.length === 0)) {
        left -= one.bytes;
        sized.push(one);
      }
      unknown.push(...read.takeNames(MAX_NAMES - unknown.length));
      if (left <= 0 && unknown.length >= MAX_NAMES) break;
    }
    return [...sized, ...unknown];
  }
}

/** Removes the reads that are complete, and those that cannot be. */
function settle(line: Set<RoleRead>): void {
  const lateBeforeMs = performance.now() - MAX_WAIT_MS;
  for (const read of line) {
    const { budget, result, scopeId, roles, confirmedAtMs } = read;
    if (budget?.isSpent) result.reject(new RolesTooLargeError(budget));
    else if (read.isComplete) result.resolve({ scopeId, roles, confirmedAtMs, stale: false });
    else if (read.queuedAtMs < lateBeforeMs) result.reject(overloaded());
    else continue;
    line.delete(read);
  }
}

function overloaded(): OverloadedError {
  return new OverloadedError('too many reads of roles of one organization are waiting');
}
