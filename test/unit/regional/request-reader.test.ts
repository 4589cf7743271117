import { expect, it } from 'vitest';
import { RequestReader } from '../../../src/regional/request-reader.ts';

const bodyOf = (project: number) =>
  `{"contexts":[{"type":"project","project_id":"p${project}","project_type":"elasticsearch","project_organization_id":"o"}]}`;

it('gives equal requests one object, and keeps the last ten thousand', () => {
  const reader = new RequestReader(1e9);
  const all = Array.from({ length: 10_001 }, (_, project) => reader.read('', bodyOf(project)));
  expect(reader.read('', bodyOf(1))).toBe(all[1]);
  expect(reader.read('', bodyOf(0))).not.toBe(all[0]);
});
