import { hash } from 'node:crypto';

/**
 * Names a presented credential without containing it: caches use this, never the credential.
 * SHA-256 over id and secret, as 32 characters of one byte each. The secret has 256 random bits, so the digest cannot be searched.
 */
export function credentialDigest(id: string, secret: string): string {
  return hash('sha256', `${id}\n${secret}`, 'binary');
}

/** Names a stored hash, so that "this secret matched that hash" can be remembered without keeping the hash. */
export function hashDigest(phc: string): string {
  return hash('sha256', phc, 'base64url');
}
