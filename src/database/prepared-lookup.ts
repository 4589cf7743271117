import type { Connection, Submittable } from 'pg';

/** What of node-postgres' connection is used, beyond what its types tell. */
interface Wire extends Connection {
  /** Text of each statement that the server knows on this connection, by name; node-postgres keeps it. */
  parsedStatements: Record<string, string | undefined>;
}

/** A row as it comes over the wire: text or NULL, in the order of the SELECT list. */
export type TextRow = readonly (string | null)[];

/**
 * One run of a prepared statement that takes one text, for `client.query`. node-postgres' own query asks for a
 * description of the columns each time, looks up a parser for each of them and builds an object for each row; this one
 * hands the texts on. The messages: "Extended Query" in the chapter "Frontend/Backend Protocol" of the PostgreSQL manual.
 */
export class PreparedLookup implements Submittable {
  /** `name` and `text` are read by node-postgres, which keeps `parsedStatements`. */
  readonly name: string;
  readonly text: string;
  readonly #value: string;
  readonly #rows: TextRow[] = [];
  /** Called once; node-postgres wraps it when queries have a timeout. */
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
    // All messages in one write: the server is woken once.
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
