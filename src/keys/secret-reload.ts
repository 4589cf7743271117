import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { RepeatedTask } from '../lib/repeated-task.ts';

const INTERVAL_MS = 2_000;

/** Shared secrets that can change while a process runs. */
const RELOADED = ['CLIENT_AUTHENTICATION_SECRETS', 'FORWARDING_SECRETS'] as const;
type Reloaded = Pick<Config, (typeof RELOADED)[number]>;

/** Reads the files of shared secrets again and again, because they are replaced without a restart. */
export class SecretReload extends RepeatedTask {
  readonly #read: () => Config;
  readonly #onChange: (secrets: Reloaded) => void;
  readonly #logger: Logger;
  #current: Reloaded;

  /** @param read reads all settings; throws if one is invalid. @param onChange called with changed secrets */
  constructor(current: Config, read: () => Config, onChange: (secrets: Reloaded) => void, logger: Logger) {
    super({
      intervalMs: INTERVAL_MS,
      logger,
      messages: {
        failed:
          'a changed file of secrets is invalid; the service keeps the previous secrets; correct the file',
        recovered: 'the files of secrets are valid again',
      },
    });
    this.#current = current;
    this.#read = read;
    this.#onChange = onChange;
    this.#logger = logger;
  }

  protected async turn(): Promise<void> {
    const next = this.#read();
    const changed = RELOADED.filter((name) => String(next[name]) !== String(this.#current[name]));
    if (changed.length === 0) return;
    this.#current = next;
    this.#onChange(next);
    this.#logger.info(`${changed.join(' and ')} changed; the new secrets are in use`);
  }
}
