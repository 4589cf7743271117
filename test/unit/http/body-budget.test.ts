import { expect, it } from 'vitest';
import { BodyBudget, FREE_BODY_BYTES } from '../../../src/http/body-budget.ts';

const MIB = 1_048_576;

it('bounds all bodies together, and returns what a body used', () => {
  const budget = new BodyBudget(MIB);
  const leases = Array.from({ length: 4 }, (_, index) => budget.lease(`client ${index}`));
  const size = MIB / 4 + FREE_BODY_BYTES;
  expect(leases.map((lease) => lease.resize(size))).toEqual([true, true, true, true]);
  const late = budget.lease('late');
  expect(late.resize(size)).toBe(false);
  leases[0]?.close();
  expect(late.resize(size)).toBe(true);
  for (const lease of [...leases, late]) lease.close();
  expect(budget.bytes).toBe(0);
});

it('leaves half of the budget to others when one client uses all that it can', () => {
  const budget = new BodyBudget(MIB);
  const lease = () => budget.lease('greedy').resize(MIB / 4 + FREE_BODY_BYTES);
  expect([lease(), lease(), lease()]).toEqual([true, true, false]);
  expect(budget.lease('other').resize(MIB / 2)).toBe(true);
});

it('admits small bodies when the budget is used up', () => {
  const budget = new BodyBudget(MIB);
  for (const client of ['a', 'b']) budget.lease(client).resize(MIB / 2 + FREE_BODY_BYTES);
  expect(budget.lease('c').resize(FREE_BODY_BYTES + 1)).toBe(false);
  expect(budget.lease('c').resize(FREE_BODY_BYTES)).toBe(true);
});

it('keeps what a body used before it was refused more', () => {
  const budget = new BodyBudget(MIB);
  const lease = budget.lease('a');
  lease.resize(FREE_BODY_BYTES + 1_000);
  expect(lease.resize(MIB)).toBe(false);
  expect(budget.bytes).toBe(1_000);
});
