import { randomBytes } from 'node:crypto';

/**
 * Makes ids for requests: a random part of this process and a counter. Unique across pods and cheap enough for
 * thousands a second.
 */
export function requestIds(): () => string {
  const process = randomBytes(9).toString('base64url');
  let count = 0;
  return () => {
    count += 1;
    return `${process}-${count.toString(36)}`;
  };
}
