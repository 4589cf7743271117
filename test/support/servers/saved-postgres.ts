import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../../dev/child-process.ts';
import { freePort } from '../../../dev/ports.ts';
import { killMachine } from './kill-machine.ts';
import { createScratchDirectory, startTestPostgres } from './postgres.ts';
import type { ServerWithAccess } from './standby.ts';

/** A server whose data directory can be replaced by an older copy of it. */
export interface SavedPostgres {
  /** Superuser URL of the database `postgres`. */
  url: string;
  /** The server, as it was started last. */
  readonly running: ServerWithAccess;
  stop(): Promise<void>;
  /** Like the loss of its machine. */
  kill(): Promise<void>;
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
  const port = await freePort();
  const running = await startTestPostgres(join(directory, 'data'), settings, { port, password });
  return savedPostgres(running, directory, settings);
}

/**
 * @param first the running server
 * @param directory that contains its data directory and nothing else
 * @param settings for its later starts
 */
export function savedPostgres(
  first: ServerWithAccess,
  directory: string,
  settings: Readonly<Record<string, string>> = {},
): SavedPostgres {
  const { dataDirectory, port } = first.server;
  const { url, password } = first.access;
  const saved = join(directory, 'saved');
  let running = first;
  const start = async () => {
    running = await startTestPostgres(dataDirectory, settings, { port, password });
  };
  const stop = () => running.server.stop();
  return {
    url,
    get running() {
      return running;
    },
    stop,
    kill: async () => {
      killMachine(running.server);
      await running.server.exited;
    },
    start,
    save: async () => {
      await stop();
      await rm(saved, { recursive: true, force: true });
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
