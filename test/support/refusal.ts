import { expect } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import type { ApiResponse } from './regional.ts';

/**
 * Expects a response to be the given error of the registry in the UIAM format.
 * @param secrets texts that must not appear anywhere in the response
 */
export function expectRefusal(
  response: ApiResponse,
  status: number,
  code: string,
  secrets: readonly string[] = [],
): void {
  expect([response.status, response.body?.error?.code]).toEqual([status, code]);
  expect(response.body).toEqual({
    request_id: expect.stringMatching(/./),
    error: {
      code,
      message: expect.stringMatching(/^[A-Za-z].*\.?$/s),
      resource: response.body.error.resource === null ? null : expect.any(String),
      type: Object.values(ERRORS).find((row) => row.uiam.code === code)?.uiam.type,
    },
  });
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  // A shed caller gets a time that depends on the queue.
  const retryAfter = code === ERRORS.OVERLOADED.uiam.code ? /^[1-9][0-9]?$/ : /^1$/;
  expect(response.headers.get('retry-after')).toEqual(
    status === 503 ? expect.stringMatching(retryAfter) : null,
  );
  const everything = JSON.stringify([response.body, ...response.headers]);
  for (const secret of secrets) expect(everything).not.toContain(secret);
}
