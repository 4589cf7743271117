import type { Connection, Submittable } from 'pg';

/** Members of node-postgres' connection that its types omit. */
interface Wire extends Connection {
  /** Text of each prepared statement of this connection, by name; node-postgres maintains it. */
  parsedStatements: Record<string, string | undefined>;
}

/** A row as Postgres sends it: text or NULL, in the order of the SELECT list. */
export type TextRow = readonly (string | null)[];

/**
 * One execution of a prepared statement with one text parameter, for `client.query`. node-postgres' own query requests
 * a description of the columns each time, looks up a parser for each and builds an object per row. This one returns the
 * texts (ADR 11 has figures). Protocol: PostgreSQL manual, "Frontend/Backend Protocol", "Extended Query".
 */
export class PreparedLookup implements Submittable {
  /** node-postgres reads `name` and `text` and maintains `parsedStatements`. Without a name the statement is not kept. */
  readonly name: string;
  readonly text: string;
  readonly #value: string;
  readonly #rows: TextRow[] = [];
  /** Called once. node-postgres wraps it if queries have a timeout. */
  callback: (error: Error | null, rows: TextRow[]) => void;

  constructor(
    name: string,
    text: string,
    value: string,
    done: (error: Error | null, rows: TextRow[]) => void,
  ) {
    this.name = name;
    this.text = text;
    this.#value = value;
    this.callback = done;
  }

  submit(connection: Connection): void {
    const { name, text } = this;
    const { parsedStatements, stream } = connection as Wire;
    // One write for all messages wakes the server once.
    stream.cork();
    if (parsedStatements[name] === undefined) connection.parse({ name, text, types: [] }, true);
    connection.bind({ statement: name, values: [this.#value] }, true);
    connection.execute({}, true);
    connection.sync();
    stream.uncork();
  }

  handleDataRow({ fields }: { fields: TextRow }): void {
    this.#rows.push(fields);
  }

  handleReadyForQuery(): void {
    this.callback(null, this.#rows);
  }

  handleError(error: Error): void {
    this.callback(error, []);
  }

  handleCommandComplete(): void {}

  handleRowDescription(): void {}
}
