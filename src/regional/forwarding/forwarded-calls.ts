import type { IncomingHttpHeaders } from 'node:http';
import { IamError } from '../../errors.ts';
import { decodeAuthorization } from '../../keys/authorization-header.ts';
import type { ClientAuthentication } from '../../keys/client-authentication.ts';

const BASE = '/uiam/api/v1';
/** How long the control plane may be silent during a call. */
const TIMEOUT_MS = 10_000;
/** A `_convert` of a thousand keys calls other services for each. */
const CONVERT_TIMEOUT_MS = 60_000;

/** A call that a region forwards. */
export interface ForwardedCall {
  method: 'POST' | 'DELETE';
  url: string;
  /** What its head must contain. */
  proof: 'credential' | 'clientSecret';
  createsKeys: boolean;
  timeoutMs: number;
}

export const FORWARDED_CALLS: readonly ForwardedCall[] = [
  {
    method: 'POST',
    url: `${BASE}/api-keys/_grant`,
    proof: 'credential',
    createsKeys: true,
    timeoutMs: TIMEOUT_MS,
  },
  {
    method: 'POST',
    url: `${BASE}/api-keys/_convert`,
    proof: 'clientSecret',
    createsKeys: true,
    timeoutMs: CONVERT_TIMEOUT_MS,
  },
  {
    method: 'DELETE',
    url: `${BASE}/api-keys/:id`,
    proof: 'credential',
    createsKeys: false,
    timeoutMs: TIMEOUT_MS,
  },
];

/** This release issues no tokens, so a region refuses these calls as the control plane does. */
export const TOKEN_CALLS = [`${BASE}/tokens/_refresh`, `${BASE}/tokens/_invalidate`];

/** The methods of a path; `undefined` if no call has it. */
export function methodsOf(path: string): string | undefined {
  if (TOKEN_CALLS.includes(path)) return 'POST';
  const methods = FORWARDED_CALLS.filter(({ url }) => matches(url, path)).map(({ method }) => method);
  return methods.length === 0 ? undefined : methods.toSorted().join(', ');
}

/** @param url may end with a parameter, which stands for one segment */
function matches(url: string, path: string): boolean {
  const base = url.slice(0, url.lastIndexOf('/') + 1);
  if (!url.endsWith('/:id')) return url === path;
  const id = path.slice(base.length);
  return path.startsWith(base) && id !== '' && !id.includes('/');
}

export interface CallerProofs {
  /** Prefixes of credentials. */
  acceptedPrefixes: readonly string[];
  clientAuthentication: ClientAuthentication;
}

/** Refuses a call whose head cannot lead to success. @throws {IamError} 401 */
export function assertProof(
  { proof }: ForwardedCall,
  headers: IncomingHttpHeaders,
  { acceptedPrefixes, clientAuthentication }: CallerProofs,
): void {
  if (proof === 'credential') decodeAuthorization(headers.authorization, acceptedPrefixes);
  else assertClientSecret(clientAuthentication, headers);
}

/**
 * Both servers must accept the secret. A region without secrets, whose callers have certificates, leaves the comparison to the control
 * plane.
 */
function assertClientSecret(accepted: ClientAuthentication, headers: IncomingHttpHeaders): void {
  const presented = headers['x-client-authentication'] as string | undefined;
  if (presented && (!accepted.hasSecrets || accepted.isTrusted({ secret: presented, certificate: false })))
    return;
  throw new IamError('CLIENT_AUTHENTICATION', {
    message: 'Through a region, this call requires an X-Client-Authentication header that is valid.',
  });
}
