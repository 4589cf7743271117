import { expect, it } from 'vitest';
import { computeSelfTimes, groupByOwner } from '../../../bench/lib/cpu-profile.ts';

const node = (id: number, functionName: string, url: string) => ({
  id,
  callFrame: { functionName, url, lineNumber: 9 },
});

it('divides the busy time by function and by owner, without idle time', () => {
  const { functions, busyShare } = computeSelfTimes({
    nodes: [
      node(1, '(idle)', ''),
      node(2, 'decode', 'file:///app/src/credential/format.ts'),
      node(3, 'query', 'file:///app/node_modules/pg/lib/client.js'),
      node(4, 'query', 'file:///app/node_modules/@scope/package/index.js'),
      node(5, 'writev', ''),
      node(6, 'post', 'node:inspector'),
    ],
    samples: [1, 2, 2, 3, 4, 5, 6],
    timeDeltas: [400, 100, 100, 100, 50, 50, 9_999],
  });
  expect(busyShare).toBe(0.5);
  expect(functions[0]).toEqual({ name: 'decode', location: 'format.ts:10', owner: 'ours', share: 0.5 });
  expect(groupByOwner(functions)).toEqual([
    { owner: 'ours', share: 0.5 },
    { owner: 'pg', share: 0.25 },
    { owner: '@scope/package', share: 0.125 },
    { owner: 'native functions', share: 0.125 },
  ]);
});
