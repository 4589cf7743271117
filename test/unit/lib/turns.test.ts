import { expect, it } from 'vitest';
import { Turns } from '../../../src/lib/turns.ts';

it('lets one caller continue in each turn of the event loop, in their order', async () => {
  const turns = new Turns();
  const log: string[] = [];
  const waiting = ['a', 'b', 'c'].map((name) => turns.next().then(() => log.push(name)));
  let loops = 0;
  const count = () => {
    loops += 1;
    log.push(`turn ${loops}`);
    if (loops < 6) setImmediate(count);
  };
  setImmediate(count);
  await Promise.all(waiting);
  const between = log.join(' ').split(/[abc]/);
  expect(log.filter((entry) => entry.length === 1)).toEqual(['a', 'b', 'c']);
  expect(between.slice(1, 3).every((entries) => entries.includes('turn'))).toBe(true);
});
