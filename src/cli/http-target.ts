import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { notControlPlane, RemoteError } from './command-failure.ts';
import type { HttpCallOptions, HttpTarget } from './operations.ts';

const TIMEOUT_MS = 30_000;
const MAX_ATTEMPTS = 3;
const RETRY_PAUSE_MS = 500;

/**
 * The control plane at `url`, with the permissions of `credential`. A call is retried if its response is lost or 503; a
 * call that creates something keeps its idempotency key, so a retry creates nothing twice.
 */
export function httpTarget(url: string, credential: string): HttpTarget {
  const base = url.replace(/\/+$/, '');
  return {
    async call<Body>(
      method: string,
      path: string,
      { body, idempotent = false }: HttpCallOptions = {},
    ): Promise<Body> {
      const request: RequestInit = {
        method,
        headers: {
          authorization: `ApiKey ${credential}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(idempotent && { 'idempotency-key': randomUUID() }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      };
      for (let attempt = 1; ; attempt += 1) {
        const response = await send(`${base}${path}`, request);
        if (response.status < 300) return response.body as Body;
        // A control plane explains every 404.
        if (response.status === 404 && !hasErrors(response.body)) throw notControlPlane(url);
        if (response.status !== 503 || attempt === MAX_ATTEMPTS) {
          throw new RemoteError(response.status, errorsOf(response));
        }
        await sleep(RETRY_PAUSE_MS);
      }
    },
  };
}

interface RawResponse {
  status: number;
  body: unknown;
}

/** An unreachable control plane counts as one that returns 503. */
async function send(url: string, request: RequestInit): Promise<RawResponse> {
  try {
    // A redirect would send what is created, and take its credential, elsewhere.
    const response = await fetch(url, {
      ...request,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : parse(text) };
  } catch (error) {
    const cause =
      (error as Error).cause instanceof Error ? ((error as Error).cause as Error) : (error as Error);
    const code = 'code' in cause ? String(cause.code) : cause.message;
    const message = `The control plane at ${new URL(url).origin} cannot be reached (${code}).`;
    return { status: 503, body: { errors: [{ code: 'root.unavailable', message }] } };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function errorsOf({ status, body }: RawResponse): RemoteError['errors'] {
  if (hasErrors(body)) return body.errors;
  return [{ code: 'cli.unexpected_answer', message: `The service returned ${status} without a reason.` }];
}

function hasErrors(body: unknown): body is Pick<RemoteError, 'errors'> {
  const { errors } = (body ?? {}) as { errors?: unknown };
  return Array.isArray(errors) && errors.length > 0;
}
