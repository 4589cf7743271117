import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { Logger } from 'pino';
import { messageOf } from '../../lib/message-of.ts';
import { policies } from './policies.ts';
import { SealedBox } from './redis/sealed-box.ts';

/** Which hash the secret of a credential matched, by `credentialDigest`. */
export type SecretMemo = [digest: string, verifiedHash: string];

/** Authenticated with the content, so that a value of Redis is no file. Change it with the format. */
const FORMAT = 'handover1';
/** More than `policies.handover.maxEntries` memos take. */
const MAX_FILE_BYTES = 256 * 1_048_576;

export interface HandoverFileDeps {
  path: string;
  /** As for `SealedBox`: the first seals, all of them open. */
  secrets: readonly Buffer[];
  now: () => number;
  logger: Logger;
}

/**
 * Passes the memos of verified secrets from a pod that stops to the next one on the same volume, which then needs no
 * argon2 for them. The file is sealed and has an expiry. An old, foreign or forged file makes no credential valid: a memo only
 * proves that a secret matches a hash, and the record decides whether that hash counts.
 */
export class HandoverFile {
  readonly #deps: HandoverFileDeps;
  readonly #box: SealedBox;

  constructor(deps: HandoverFileDeps) {
    this.#deps = deps;
    this.#box = new SealedBox(deps.secrets, deps.now);
  }

  /**
   * Logs an error if a file cannot be left at the stop, which would be too late to learn of it. Not fatal: without the file the next pod is
   * only slower.
   */
  async checkFolder(): Promise<void> {
    const { path, logger } = this.#deps;
    const probe = `${path}.probe`;
    try {
      await rm(probe, { force: true });
      await (await open(probe, 'wx', 0o600)).close();
      await rm(probe);
    } catch (error) {
      logger.error(
        { file: path },
        `HANDOVER_FILE cannot be written when this pod stops (${messageOf(error)}): the next one verifies all secrets again; name a file in a folder that exists and that the user of the process can write to (docs/operations.md, Restarts without Redis)`,
      );
    }
  }

  /** Reads and removes the file. @returns its memos, the least recently used first; none if there is no usable file */
  async take(): Promise<SecretMemo[]> {
    const { path, logger } = this.#deps;
    try {
      const sealed = await readBounded(path);
      await rm(path);
      const payload = this.#box.open(sealed, FORMAT)?.payload;
      if (payload === undefined) throw new Error('it is damaged, expired, or sealed with another key');
      const memos = JSON.parse(payload.toString()) as SecretMemo[];
      logger.info({ file: path }, `took over ${memos.length} verified secrets from HANDOVER_FILE`);
      return memos;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        logger.warn({ file: path }, `HANDOVER_FILE is ignored: ${messageOf(error)}`);
      return [];
    }
  }

  /** Replaces the file. Never rejects. @param memos the least recently used first */
  async leave(memos: readonly SecretMemo[]): Promise<void> {
    const { path, now, logger } = this.#deps;
    const temporary = `${path}.tmp`;
    try {
      const sealed = this.#box.seal(JSON.stringify(memos), FORMAT, now() + policies.handover.ttlMs);
      // A new file: one that exists may have another mode or owner, or be a link.
      await rm(temporary, { force: true });
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(sealed);
      } finally {
        await file.close();
      }
      await rename(temporary, path);
      logger.info({ file: path }, `left ${memos.length} verified secrets in HANDOVER_FILE`);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      logger.warn({ file: path }, `HANDOVER_FILE cannot be written: ${messageOf(error)}`);
    }
  }
}

/** @throws {Error} if it cannot be read, is a link or no regular file, or is too large */
async function readBounded(path: string): Promise<Buffer> {
  // Without O_NONBLOCK, opening a named pipe would wait for its writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = await file.stat();
    if (!status.isFile() || status.size > MAX_FILE_BYTES)
      throw new Error('it is no file that a pod has left');
    return await file.readFile();
  } finally {
    await file.close();
  }
}
