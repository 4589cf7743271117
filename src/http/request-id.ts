import { randomBytes } from 'node:crypto';

/**
 * Returns a generator of request ids: a random part of this process and a counter. Ids are unique across pods, and cheap
 * enough for thousands of requests per second.
 */
export function requestIds(): () => string {
  const processId = randomBytes(9).toString('base64url');
  let count = 0;
  return () => {
    count += 1;
    return `${processId}-${count.toString(36)}`;
  };
}
