import type { Logger } from 'pino';
import {
  type Environment,
  filesReadAtStart,
  RELOADED_SETTINGS,
  type ReloadedSecrets,
  rereadSecrets,
} from '../config.ts';
import { RepeatedTask } from '../lib/repeated-task.ts';

const INTERVAL_MS = 2_000;

export interface SecretReloadOptions {
  current: ReloadedSecrets;
  /** Names the files. */
  environment: Environment;
  onChange: (secrets: ReloadedSecrets) => void;
  logger: Logger;
  intervalMs?: number;
}

/**
 * Reads the files of shared secrets again and again, because they are replaced without a restart. The files of other secrets are only
 * compared: one that changes, or breaks, must not keep the shared secrets from their rotation.
 */
export class SecretReload extends RepeatedTask {
  readonly #options: SecretReloadOptions;
  #current: ReloadedSecrets;
  readonly #readAtStart: Map<string, string>;

  constructor(options: SecretReloadOptions) {
    super({
      intervalMs: options.intervalMs ?? INTERVAL_MS,
      logger: options.logger,
      messages: {
        failed:
          'a changed file of secrets is invalid; the service keeps the previous secrets of this file; correct the file that the error names',
        recovered: 'the files of secrets are valid again',
      },
    });
    this.#options = options;
    this.#current = options.current;
    this.#readAtStart = new Map(filesReadAtStart(options.environment));
  }

  protected async turn(): Promise<void> {
    this.#warnAboutOthers();
    const { secrets, problem } = rereadSecrets(this.#options.environment);
    this.#use({ ...this.#current, ...secrets });
    if (problem !== undefined) throw problem;
  }

  #use(next: ReloadedSecrets): void {
    const changed = RELOADED_SETTINGS.filter((name) => String(next[name]) !== String(this.#current[name]));
    if (changed.length === 0) return;
    this.#current = next;
    this.#options.onChange(next);
    this.#options.logger.info(`${changed.join(' and ')} changed; the new secrets are in use`);
  }

  #warnAboutOthers(): void {
    for (const [variable, content] of filesReadAtStart(this.#options.environment)) {
      if (this.#readAtStart.get(variable) === content) continue;
      this.#readAtStart.set(variable, content);
      this.#options.logger.warn(`the file of ${variable} changed; restart the service to use it`);
    }
  }
}
