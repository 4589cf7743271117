import { createHmac } from 'node:crypto';
import type { ExpiryNotice } from './notices.ts';

const TIMEOUT_MS = 10_000;

export interface Webhook {
  url: string;
  secret: string;
}

/** How Standard Webhooks writes a secret: random bytes in base64. */
const SECRET_PREFIX = 'whsec_';

/**
 * Sends a notice, signed by the Standard Webhooks scheme: `webhook-signature: v1,<base64>` is HMAC-SHA-256 over
 * `<webhook-id>.<webhook-timestamp>.<body>`. A retry has the same id, so a receiver can drop duplicates.
 * @throws Error when the receiver does not respond with 2xx in time. It never contains the URL, whose path may be a token
 */
export async function sendNotice(webhook: Webhook, notice: ExpiryNotice, nowMs: number): Promise<void> {
  const body = JSON.stringify({
    type: 'api_key.expiring',
    timestamp: new Date(nowMs).toISOString(),
    data: {
      key_id: notice.key_id,
      organization_id: notice.organization_id,
      description: notice.description,
      user_id: notice.user_id,
      expiration_date: notice.expires_at.toISOString(),
      days_ahead: notice.days_ahead,
    },
  });
  const id = `expiry-notice-${notice.id}`;
  const timestamp = String(Math.floor(nowMs / 1_000));
  const status = await post(webhook.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature(webhook.secret, `${id}.${timestamp}.${body}`)}`,
    },
    body,
    // The status of a redirect says more than the error that fetch could throw.
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (status < 200 || status > 299) throw new Error(`the webhook responded with status ${status}`);
}

async function post(url: string, init: RequestInit): Promise<number> {
  try {
    const response = await fetch(url, init);
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    // Messages and properties of errors of fetch can repeat the URL or the response. A code cannot.
    throw new Error(`the webhook did not respond: ${codeOf(error)}`);
  }
}

/** The code of the deepest cause, such as ECONNREFUSED; without one, the name of the error, such as TimeoutError. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (error.cause instanceof Error) return codeOf(error.cause);
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.name;
}

/** HMAC-SHA-256, base64. @param secret as Standard Webhooks writes it, or any other text for its UTF-8 bytes */
function signature(secret: string, signed: string): string {
  const key = secret.startsWith(SECRET_PREFIX)
    ? Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
    : secret;
  return createHmac('sha256', key).update(signed).digest('base64');
}
