import type { Logger } from 'pino';
import { IamError } from '../../errors.ts';

/** A call without a response for this long makes the circuit probe the control plane. */
const SUSPECT_AFTER_MS = 2_000;
const PROBE_INTERVAL_MS = 500;

export interface ForwardingCircuitDeps {
  /** Whether a call that changes nothing gets neither a response nor an error in time. */
  isSilent: () => Promise<boolean>;
  logger: Pick<Logger, 'warn' | 'info'>;
}

/**
 * Refuses forwarded calls at once while the control plane is silent, so that clients need not wait for a timeout to find out. A
 * call itself proves little: it may take long, and must not be repeated. So a call without a response only starts a probe. The
 * circuit opens when the probe is silent too, and closes when a later one is not. Calls that fail at once, such as those to a closed
 * port, need no circuit.
 */
export class ForwardingCircuit {
  readonly #deps: ForwardingCircuitDeps;
  #isOpen = false;
  #isProbing = false;
  #isStopped = false;
  /** Of the next probe. */
  #timer: NodeJS.Timeout | undefined;
  #responses = 0;

  constructor(deps: ForwardingCircuitDeps) {
    this.#deps = deps;
  }

  /** @throws {IamError} 503 while the control plane is silent */
  assertClosed(): void {
    if (this.#isOpen) throw new IamError('CONTROL_PLANE_UNAVAILABLE');
  }

  /** Watches one call from its start. @returns the callbacks of its end, of which the first counts */
  watch(): { responded: () => void; failed: () => void } {
    const before = this.#responses;
    const timer = setTimeout(() => {
      if (this.#responses === before) this.#suspect();
    }, SUSPECT_AFTER_MS);
    return {
      responded: () => {
        clearTimeout(timer);
        this.#responses += 1;
      },
      failed: () => {
        clearTimeout(timer);
        this.#suspect();
      },
    };
  }

  /** Ends the probes. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #suspect(): void {
    if (this.#isProbing || this.#isStopped) return;
    this.#isProbing = true;
    void this.#probe();
  }

  /** Probes until the control plane is not silent. */
  async #probe(): Promise<void> {
    const isSilent = await this.#deps.isSilent();
    if (this.#isStopped) return;
    if (isSilent) {
      this.#open();
      this.#timer = setTimeout(() => void this.#probe(), PROBE_INTERVAL_MS).unref();
    } else {
      this.#isProbing = false;
      this.#close();
    }
  }

  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#deps.logger.warn(
      'the control plane is silent; forwarded calls get 503 at once until it responds; check CONTROL_PLANE_URL and the network',
    );
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#deps.logger.info('the control plane is not silent any more; calls are forwarded again');
  }
}
