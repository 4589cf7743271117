import { expect, it } from 'vitest';
import { RequestReader } from '../../../src/regional/request-reader.ts';

const bodyOf = (project: number) =>
  `{"contexts":[{"type":"project","project_id":"p${project}","project_type":"elasticsearch","project_organization_id":"o"}]}`;

it('gives equal requests one object, and keeps the last ten thousand', () => {
  const reader = new RequestReader(1e9);
  const all = Array.from({ length: 10_001 }, (_, project) => reader.read('', bodyOf(project), 'org'));
  expect(reader.read('', bodyOf(1), 'org')).toBe(all[1]);
  expect(reader.read('', bodyOf(0), 'org')).not.toBe(all[0]);
});

it('keeps the requests of other organizations while one sends many different ones', () => {
  const reader = new RequestReader(1e9);
  const kept = Array.from({ length: 1_000 }, (_, project) => reader.read('', bodyOf(project), 'victim'));
  for (let project = 1_000; project < 31_000; project += 1) reader.read('', bodyOf(project), 'attacker');
  expect(kept.filter((request, project) => reader.read('', bodyOf(project), 'victim') !== request)).toEqual(
    [],
  );
});
