import fc from 'fast-check';
import { beforeEach, expect, it } from 'vitest';
import { AgingQueue } from '../../../src/lib/aging-queue.ts';

const LIMIT_MS = 100;
let nowMs: number;
let queue: AgingQueue<string>;
beforeEach(() => {
  nowMs = 0;
  queue = new AgingQueue(LIMIT_MS, () => nowMs);
});

/** Items of owners: `a1` is an item of `a`. They arrive together. */
function push(...items: string[]): void {
  for (const item of items) queue.push([item.charAt(0)], item);
}

function drain(): string[] {
  return Array.from({ length: queue.size }, () => queue.shift() as string);
}

it('serves items in order, and owners in turn, up to the limit', () => {
  push('a1', 'a2', 'b1');
  nowMs += LIMIT_MS;
  push('c1');
  expect(drain()).toEqual(['a1', 'b1', 'c1', 'a2']);
});

it('serves items beyond the limit after the younger ones, the newest first', () => {
  push('a1', 'b1');
  nowMs += 1;
  push('c1');
  nowMs += LIMIT_MS + 1;
  push('d1', 'e1');
  expect(drain()).toEqual(['d1', 'e1', 'c1', 'b1', 'a1']);
});

it('under lasting overload every item that it serves is within the limit', () => {
  const waits: number[] = [];
  for (let nth = 0; nth < 2_000; nth += 1) {
    nowMs += 1;
    push(`${String.fromCharCode(97 + (nth % 7))}${nowMs}`);
    // Half of the rate at which items arrive.
    if (nth % 2 === 0) waits.push(nowMs - Number(queue.shift()?.slice(1)));
  }
  expect(waits).toHaveLength(1_000);
  expect(Math.max(...waits)).toBeLessThanOrEqual(LIMIT_MS);
});

it('drops the oldest late item first, then the newest of the owner with the most', () => {
  push('a1', 'b1');
  nowMs += LIMIT_MS + 1;
  push('c1', 'c2', 'd1', 'd2', 'd3');
  expect(queue.shift()).toBe('c1');
  expect(Array.from({ length: 4 }, () => queue.drop())).toEqual(['a1', 'b1', 'd3', 'd2']);
  expect(drain()).toEqual(['d1', 'c2']);
  expect([queue.size, queue.shift(), queue.drop()]).toEqual([0, undefined, undefined]);
});

it('neither loses nor duplicates an item, and counts correctly, for any sequence of operations', () => {
  const step = fc.constantFrom('push', 'push', 'shift', 'drop', 'wait');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const aging = new AgingQueue<number>(LIMIT_MS, () => nowMs);
      const inside = new Set<number>();
      for (const [nth, what] of steps.entries()) {
        if (what === 'wait') nowMs += LIMIT_MS / 2;
        else if (what === 'push') {
          aging.push([String(nth % 3)], nth);
          inside.add(nth);
        } else {
          const taken = what === 'shift' ? aging.shift() : aging.drop();
          if (taken === undefined) expect(inside.size).toBe(0);
          else expect(inside.delete(taken)).toBe(true);
        }
        expect(aging.size).toBe(inside.size);
      }
    }),
  );
});
