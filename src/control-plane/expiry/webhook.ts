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
 * @throws Error when the receiver does not respond with 2xx in time
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
  const response = await fetch(webhook.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature(webhook.secret, `${id}.${timestamp}.${body}`)}`,
    },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the webhook responded with status ${response.status}`);
}

/** HMAC-SHA-256, base64. @param secret as Standard Webhooks writes it, or any other text for its UTF-8 bytes */
function signature(secret: string, signed: string): string {
  const key = secret.startsWith(SECRET_PREFIX)
    ? Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
    : secret;
  return createHmac('sha256', key).update(signed).digest('base64');
}
