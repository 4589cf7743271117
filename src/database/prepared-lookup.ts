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
 * description of the columns each time, looks up a parser for each of them, builds an object for each row, and sends
 * five messages; this one sends three in one piece and hands the texts on. The messages: "Extended Query" in the
 * chapter "Frontend/Backend Protocol" of the PostgreSQL manual.
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
    const { parsedStatements, stream } = connection as Wire;
    if (parsedStatements[this.name] === undefined) {
      connection.parse({ name: this.name, text: this.text, types: [] }, true);
    }
    if (stream.writable) stream.write(bindExecuteSync(this.name, this.#value));
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

const EXECUTE_SYNC_BYTES = 15;

/** Bind to the unnamed portal, with one parameter and results as text; Execute all of it; Sync. */
function bindExecuteSync(name: string, value: string): Buffer {
  const nameBytes = Buffer.byteLength(name);
  const valueBytes = Buffer.byteLength(value);
  const bindBytes = 4 + 1 + nameBytes + 1 + 2 + 2 + 4 + valueBytes + 2;
  const message = Buffer.allocUnsafe(1 + bindBytes + EXECUTE_SYNC_BYTES);
  let at = message.writeUInt8(0x42); // Bind
  at = message.writeInt32BE(bindBytes, at);
  at = message.writeUInt8(0, at);
  at += message.write(name, at);
  at = message.writeUInt8(0, at);
  at = message.writeInt16BE(0, at); // formats of parameters: text
  at = message.writeInt16BE(1, at);
  at = message.writeInt32BE(valueBytes, at);
  at += message.write(value, at);
  at = message.writeInt16BE(0, at); // formats of results: text
  at = message.writeUInt8(0x45, at); // Execute, all rows
  at = message.writeInt32BE(9, at);
  at = message.writeUInt8(0, at);
  at = message.writeInt32BE(0, at);
  at = message.writeUInt8(0x53, at); // Sync
  message.writeInt32BE(4, at);
  return message;
}
