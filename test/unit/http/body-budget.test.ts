import { expect, it } from 'vitest';
import { BodyBudget, FREE_BODY_BYTES } from '../../../src/http/body-budget.ts';

const MIB = 1_048_576;

it('bounds all bodies together, and returns what a body used', () => {
  const budget = new BodyBudget(MIB);
  const leases = Array.from({ length: 3 }, (_, index) => budget.lease(`client ${index}`));
  const size = MIB / 4 + FREE_BODY_BYTES;
  expect(leases.map((lease) => lease.resize(size))).toEqual([true, true, true]);
  const late = budget.lease('late');
  expect(late.resize(size)).toBe(false);
  leases[0]?.close();
  expect(late.resize(size)).toBe(true);
  for (const lease of [...leases, late]) lease.close();
  expect(budget.bytes).toBe(0);
});

it('leaves something to the next client, however many others use all that they can', () => {
  const budget = new BodyBudget(MIB);
  const use = (client: string) => {
    let leases = 0;
    while (budget.lease(client).resize(MIB / 16 + FREE_BODY_BYTES)) leases += 1;
    return leases;
  };
  expect(['a', 'b', 'c', 'd'].map(use)).toEqual([8, 4, 2, 1]);
  expect(budget.lease('e').resize(MIB / 32 + FREE_BODY_BYTES)).toBe(true);
});

it('admits small bodies when the budget is used up', () => {
  const budget = new BodyBudget(MIB);
  for (const share of [2, 4, 8]) budget.lease(`client ${share}`).resize(MIB / share + FREE_BODY_BYTES);
  expect(budget.bytes).toBe((7 / 8) * MIB);
  expect(budget.lease('c').resize(FREE_BODY_BYTES + MIB / 8)).toBe(false);
  expect(budget.lease('c').resize(FREE_BODY_BYTES)).toBe(true);
});

it('keeps what a body used before it was refused more', () => {
  const budget = new BodyBudget(MIB);
  const lease = budget.lease('a');
  lease.resize(FREE_BODY_BYTES + 1_000);
  expect(lease.resize(MIB)).toBe(false);
  expect(budget.bytes).toBe(1_000);
});
