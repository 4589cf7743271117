import { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { ConnectionAges } from '../../../src/http/connection-ages.ts';

it('ends connections up to a tenth before the maximum age, and none earlier or later', () => {
  let nowMs = 0;
  const random = [0, 1];
  const ages = new ConnectionAges(
    1_000,
    () => nowMs,
    () => random.shift() ?? 0,
  );
  const [late, early] = [new Socket(), new Socket()];
  ages.start(late);
  ages.start(early);
  const over = () => [ages.isOver(early), ages.isOver(late)];
  nowMs = 899;
  expect(over()).toEqual([false, false]);
  nowMs = 900;
  expect(over()).toEqual([true, false]);
  nowMs = 1_000;
  expect(over()).toEqual([true, true]);
});
