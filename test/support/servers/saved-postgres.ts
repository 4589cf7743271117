import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../../dev/child-process.ts';
import { freePort } from '../../../dev/ports.ts';
import { createScratchDirectory, startTestPostgres } from './postgres.ts';

/** A server whose data directory can be replaced by an older copy of it. */
export interface SavedPostgres {
  /** Superuser URL of the database `postgres`. */
  url: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Copies the data directory. The server stops meanwhile. */
  save(): Promise<void>;
  /** Starts the stopped server on the copy. */
  restoreSaved(): Promise<void>;
  /** Removes all data. */
  close(): Promise<void>;
}

/**
 * @param purpose part of the directory's name
 * @param password of the superuser
 * @param settings of the server
 */
export async function startSavedPostgres(
  purpose: string,
  password: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<SavedPostgres> {
  const directory = await createScratchDirectory(purpose);
  const dataDirectory = join(directory, 'data');
  const saved = join(directory, 'saved');
  const port = await freePort();
  const startServer = () => startTestPostgres(dataDirectory, settings, { port, password });
  let running = await startServer();
  const start = async () => {
    running = await startServer();
  };
  const stop = () => running.server.stop();
  return {
    url: running.access.url,
    stop,
    start,
    save: async () => {
      await stop();
      await copy(dataDirectory, saved);
      await start();
    },
    restoreSaved: async () => {
      await rm(dataDirectory, { recursive: true });
      await rename(saved, dataDirectory);
      await start();
    },
    close: async () => {
      await running.server.stop('immediate');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function copy(from: string, to: string): Promise<void> {
  const copied = await runCommand('cp', ['-a', from, to]);
  if (copied.exitCode !== 0) throw new Error(`The data directory could not be copied: ${copied.output}`);
}
