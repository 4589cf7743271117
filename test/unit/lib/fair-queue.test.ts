import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FairQueue } from '../../../src/lib/fair-queue.ts';

/** The letters of an item are its owner, and a part of it: `a` or `ax`. */
function queueOf(...items: string[]): FairQueue<string> {
  const queue = new FairQueue<string>();
  for (const item of items) queue.push([...item.replace(/\d/, '')], item);
  return queue;
}

function drain(queue: FairQueue<string>): string[] {
  return Array.from({ length: queue.size }, () => queue.shift() as string);
}

it('serves owners in turn, and the items of each owner in order', () => {
  expect(drain(queueOf('a1', 'a2', 'a3', 'b1', 'c1', 'c2'))).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3']);
});

it('puts an owner that returns after its turn behind the others', () => {
  const queue = queueOf('a1', 'b1', 'c1');
  queue.shift();
  queue.push(['a'], 'a2');
  expect(drain(queue)).toEqual(['b1', 'c1', 'a2']);
});

it('drops the newest item of the owner with the most items, among equals of the one whose turn is last', () => {
  const queue = queueOf('a1', 'a2', 'a3', 'b1', 'b2', 'c1');
  expect(queue.dropFromLongest()).toBe('a3');
  expect(queue.dropFromLongest()).toBe('b2');
  expect(queue.dropFromLongest()).toBe('a2');
  expect(queue.dropFromLongest()).toBe('c1');
  expect(drain(queue)).toEqual(['a1', 'b1']);
  expect([queue.size, queue.shift(), queue.dropFromLongest()]).toEqual([0, undefined, undefined]);
});

it('serves the parts of an owner in turn, and an owner with many parts as often as one with one', () => {
  const order = drain(queueOf('ax1', 'ax2', 'ax3', 'ay1', 'az1', 'bx1', 'bx2'));
  expect(order).toEqual(['ax1', 'bx1', 'ay1', 'bx2', 'az1', 'ax2', 'ax3']);
});

it('drops from the owner with the most items, from its part with the most', () => {
  const queue = queueOf('ax1', 'ay1', 'ay2', 'az1', 'bx1', 'bx2', 'bx3');
  expect(queue.dropFromLongest()).toBe('ay2');
  expect(queue.dropFromLongest()).toBe('bx3');
  expect(queue.dropFromLongest()).toBe('az1');
  expect(queue.dropFromLongest()).toBe('bx2');
  expect(drain(queue).sort()).toEqual(['ax1', 'ay1', 'bx1']);
});

it('passes over an owner that cannot be served now, which keeps its turn', () => {
  const queue = queueOf('a1', 'b1', 'a2', 'c1');
  const notA = (owner: string) => owner !== 'a';
  expect([queue.shift(notA), queue.shift(), queue.shift(notA), queue.shift(notA)]).toEqual([
    'b1',
    'a1',
    'c1',
    undefined,
  ]);
  expect(drain(queue)).toEqual(['a2']);
});

it('removes one item of an owner, and nothing if it is not inside', () => {
  const queue = queueOf('ax1', 'ax2', 'ay1', 'bx1');
  queue.remove(['a', 'x'], 'ax1');
  queue.remove(['a', 'x'], 'ax1');
  queue.remove(['a', 'y'], 'ay1');
  queue.remove(['c', 'x'], 'cx1');
  expect(queue.size).toBe(2);
  expect(drain(queue)).toEqual(['ax2', 'bx1']);
  expect([queue.size, queue.shift()]).toEqual([0, undefined]);
});

it('neither loses nor duplicates an item, and counts correctly, for any sequence of operations', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), owner: fc.integer({ min: 0, max: 4 }) }),
    fc.record({ kind: fc.constantFrom('shift' as const, 'drop' as const), owner: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new FairQueue<number>();
      const inside = new Set<number>();
      for (const [index, { kind, owner }] of steps.entries()) {
        if (kind === 'push') {
          queue.push([String(owner % 2), String(owner)], index);
          inside.add(index);
        } else {
          const taken = kind === 'shift' ? queue.shift() : queue.dropFromLongest();
          if (taken === undefined) expect(inside.size).toBe(0);
          else expect(inside.delete(taken)).toBe(true);
        }
        expect(queue.size).toBe(inside.size);
      }
    }),
  );
});
