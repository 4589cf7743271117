import { asciiJson } from '../lib/ascii-json.ts';
import { Turns } from '../lib/turns.ts';
import { readRoleDescriptor } from '../roles/role-descriptor.ts';
import type { Replica } from './replica.ts';
import type { RoleBudget } from './role-budget.ts';
import { RoleLines } from './role-lines.ts';
import { RoleRead, type Wanted } from './role-read.ts';
import type { LoadedRoles, RoleScope, RoleStore } from './role-store.ts';

/** Descriptors of one statement. */
const MAX_STATEMENT_BYTES = 1_048_576;
/** Descriptors that are parsed in one turn of the event loop: about a millisecond. */
const MAX_TURN_BYTES = 65_536;

interface RoleRow {
  /** Position in the list of what the statement wants, from 1. */
  place: number;
  name: string;
  bytes: number;
  /** JSON; `null` beyond `MAX_STATEMENT_BYTES`. */
  descriptor: string | null;
}

/**
 * Reads the wanted roles of one organization ($1), in order, until their descriptors are too large together. Of the others it
 * returns the size. The first is always read, so that each statement makes progress.
 */
const ROLES = `
  WITH wanted AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS one (project_type, project_id, name, place)
  ), named AS (
    SELECT * FROM wanted WHERE name IS NOT NULL
    UNION ALL
    SELECT project_type, project_id, roles.name, place FROM wanted JOIN roles USING (project_type, project_id)
    WHERE wanted.name IS NULL AND organization_id = $1
  ), sized AS MATERIALIZED (
    SELECT place, roles.name, descriptor, octet_length(descriptor::text) AS bytes
    FROM named JOIN roles USING (project_type, project_id, name)
    WHERE organization_id = $1 AND deleted_at IS NULL
  )
  SELECT place::int, name, bytes, CASE WHEN total <= ${MAX_STATEMENT_BYTES} OR total = bytes THEN descriptor::text END AS descriptor
  FROM (SELECT *, sum(bytes) OVER (ORDER BY place, name) AS total FROM sized) AS summed`;

/**
 * Reads role definitions from Postgres: one statement for the scopes of a request with many contexts, unless they are large. Of a
 * scope that needs several statements, each role is read as one statement sees it.
 */
export class PostgresRoleStore implements RoleStore {
  readonly #replica: Replica;
  readonly #now: () => number;
  readonly #onInvalid: (role: RoleScope & { name: string }) => void;
  readonly #lines = new RoleLines(MAX_STATEMENT_BYTES, (wanted) => this.#load(wanted));
  readonly #turns = new Turns();

  /** @param onInvalid receives each role that is omitted because its stored descriptor does not parse */
  constructor(replica: Replica, now: () => number, onInvalid: (role: RoleScope & { name: string }) => void) {
    this.#replica = replica;
    this.#now = now;
    this.#onInvalid = onInvalid;
  }

  get(scope: RoleScope, names?: readonly string[], budget?: RoleBudget): Promise<LoadedRoles> {
    return this.#lines.add(new RoleRead(scope, names, budget, this.#now()));
  }

  async #load(wanted: readonly Wanted[]): Promise<void> {
    let bytesOfTurn = 0;
    for (const { place, name, bytes, descriptor } of await this.#rows(wanted)) {
      const { read, bytes: knownBytes } = wanted[place - 1] as Wanted;
      read.count(bytes - knownBytes);
      if (descriptor === null) {
        read.postpone(name, bytes);
        continue;
      }
      if (bytesOfTurn > MAX_TURN_BYTES) {
        await this.#turns.next();
        bytesOfTurn = 0;
      }
      bytesOfTurn += descriptor.length;
      const text = descriptorJson(descriptor);
      if (text === undefined) this.#onInvalid({ ...read.scope, name });
      else read.roles.set(name, text);
    }
  }

  #rows(wanted: readonly Wanted[]): Promise<RoleRow[]> {
    const scopes = wanted.map(({ read }) => read.scope);
    return this.#replica.query<RoleRow>(
      {
        name: 'roles',
        text: ROLES,
        values: [
          scopes[0]?.organizationId,
          scopes.map(({ projectType }) => projectType),
          scopes.map(({ projectId }) => projectId),
          wanted.map(({ name }) => name),
        ],
      },
      'may be slow',
    );
  }
}

/** `undefined` if it is no descriptor, or nested too deeply to be parsed or written. */
function descriptorJson(stored: string): string | undefined {
  try {
    const descriptor = readRoleDescriptor(JSON.parse(stored));
    return descriptor && asciiJson(descriptor);
  } catch {
    return undefined;
  }
}
