import { hash } from 'node:crypto';

/**
 * Identifies a presented credential in cache keys, so that no cache contains the credential.
 * SHA-256 over id and secret, as 32 characters of one byte each. The secret has 256 random bits, which rules out a search.
 */
export function credentialDigest(id: string, secret: string): string {
  return hash('sha256', `${id}\n${secret}`, 'binary');
}

/** Identifies a stored hash, so that a cache of verified secrets does not contain the hash. */
export function hashDigest(phc: string): string {
  return hash('sha256', phc, 'base64url');
}
