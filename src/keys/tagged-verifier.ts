import type { HasPassed } from './expiry.ts';
import type { LoadedKey } from './key-store.ts';
import { type IsGone, possibleSecrets, type SecretMatch, type SecretVerifier } from './secret-verifier.ts';

/** What refused a wrong secret: its tag, or argon2 (or a remembered result of argon2). */
export type WrongSecretGuard = 'tag' | 'argon2';

/**
 * Refuses a secret whose tag differs before any cache, Redis or argon2. Wrap every other verifier in this one: then a
 * wrong secret takes the same time as an unknown id. Keys without a tag pass through.
 */
export class TaggedVerifier implements SecretVerifier {
  readonly #inner: SecretVerifier;
  readonly #hasPassed: HasPassed;
  readonly #onWrong: (guard: WrongSecretGuard) => void;

  constructor(
    inner: SecretVerifier,
    hasPassed: HasPassed,
    onWrong: (guard: WrongSecretGuard) => void = () => {},
  ) {
    this.#inner = inner;
    this.#hasPassed = hasPassed;
    this.#onWrong = onWrong;
  }

  async match(
    loaded: LoadedKey,
    secret: string,
    digest: string,
    network?: string,
    isGone?: IsGone,
  ): Promise<SecretMatch> {
    if (possibleSecrets(loaded.record, secret, this.#hasPassed).length === 0) {
      this.#onWrong('tag');
      return 'none';
    }
    const match = await this.#inner.match(loaded, secret, digest, network, isGone);
    if (match === 'none') this.#onWrong('argon2');
    return match;
  }
}
