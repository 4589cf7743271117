import { messageOf } from '../lib/message-of.ts';
import type { DatabaseKind } from './logins.ts';
import { migrationNames } from './migration-files.ts';

const CHECK_INTERVAL_MS = 1_000;

/** What a database tells about its schema. */
interface SchemaState {
  kind: DatabaseKind | null;
  /** Whether the login may read which migrations were applied. Older schemas do not allow it. */
  readable: boolean;
}

type Query = <Row extends object>(text: string) => Promise<Row[]>;

/**
 * Whether the schema of a database has all migrations of this release. A schema with more of them is right too: a newer release
 * migrates first, and its schema works with the services of this one.
 *
 * It asks every second until the schema is complete, and never again.
 */
export class SchemaCheck {
  readonly #query: Query;
  readonly #kind: DatabaseKind;
  #timer: NodeJS.Timeout | undefined;
  #state: 'idle' | 'checking' | 'ended' = 'idle';
  #obstacle: string | undefined = 'the schema of the database was not checked yet';

  /**
   * @param query runs a statement with the login of the service
   * @param kind of a database that was never migrated; a physical standby has the schema of the primary
   */
  constructor(query: Query, kind: DatabaseKind) {
    this.#query = query;
    this.#kind = kind;
  }

  /** Why the service must not serve requests; empty once the schema was complete. */
  get obstacles(): string[] {
    return this.#obstacle === undefined ? [] : [this.#obstacle];
  }

  /** Starts to check; no effect if it has started. */
  start(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'checking';
    void this.#check();
  }

  stop(): void {
    this.#state = 'ended';
    clearTimeout(this.#timer);
  }

  async #check(): Promise<void> {
    try {
      this.#obstacle = await this.#findObstacle();
    } catch (error) {
      this.#obstacle = `the schema of the database was not checked yet: ${messageOf(error)}`;
    }
    if (this.#obstacle === undefined) this.#state = 'ended';
    if (this.#state === 'ended') return;
    this.#timer = setTimeout(() => void this.#check(), CHECK_INTERVAL_MS).unref();
  }

  async #findObstacle(): Promise<string | undefined> {
    const [state] = await this.#query<SchemaState>(
      `SELECT CASE WHEN to_regclass('public.audit_events') IS NOT NULL THEN 'primary'
           WHEN to_regclass('public.changes') IS NOT NULL THEN 'region' END AS kind,
         coalesce(has_table_privilege(to_regclass('public.schema_migrations'), 'SELECT'), false) AS readable`,
    );
    const kind = state?.kind ?? this.#kind;
    const run = `run "iam migrate ${kind}"`;
    if (state?.readable !== true) return `the schema of the database is older than this release: ${run}`;
    const rows = await this.#query<{ name: string }>('SELECT name FROM public.schema_migrations');
    const applied = new Set(rows.map(({ name }) => name));
    const missing = (await migrationNames(kind)).filter((name) => !applied.has(name));
    if (missing.length === 0) return undefined;
    return `the schema of the database is older than this release, it lacks ${missing.join(', ')}: ${run}`;
  }
}
