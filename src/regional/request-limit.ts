import { IamError } from '../errors.ts';
import type { Traffic } from '../http/traffic.ts';
import { RateWindow } from '../lib/rate-window.ts';

/** Bounds the requests of each client address per minute. */
export class RequestLimit {
  readonly #window: RateWindow | undefined;
  readonly #traffic: Traffic;

  /** @param perMinute 0 for no limit */
  constructor(perMinute: number, traffic: Traffic, now: () => number) {
    this.#window = perMinute === 0 ? undefined : new RateWindow({ max: perMinute, now });
    this.#traffic = traffic;
  }

  /**
   * Counts a request. Call it before any work for the request.
   * @param client its network, see `clientNetwork` @returns a 429 beyond the limit
   */
  refuse(client: string): IamError | undefined {
    const retryAfterSeconds = this.#window?.take(client);
    if (retryAfterSeconds === undefined) return undefined;
    this.#traffic.refused('request_rate');
    return new IamError('REGIONAL_RATE_LIMITED', { retryAfterSeconds });
  }
}
