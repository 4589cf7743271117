import { expect, it } from 'vitest';
import { requestIds } from '../../../src/http/request-id.ts';

it('creates ids that are unique within a process and across processes', () => {
  const generators = [requestIds(), requestIds()];
  const ids = generators.flatMap((next) => Array.from({ length: 1_000 }, next));
  expect(new Set(ids).size).toBe(2_000);
});
