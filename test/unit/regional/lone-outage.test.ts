import { beforeEach, describe, expect, it } from 'vitest';
import { LoneOutage } from '../../../src/regional/lone-outage.ts';

const NOW_MS = 1_000_000;
const ago = (seconds: number) => NOW_MS - seconds * 1_000;

let state: { ownAtMs: number; othersAtMs: number | undefined; isReplicaAvailable: boolean };
beforeEach(() => {
  state = { ownAtMs: ago(6), othersAtMs: ago(0.5), isReplicaAvailable: false };
});

const obstacles = () =>
  new LoneOutage({
    now: () => NOW_MS,
    appliedUntilMs: () => state.ownAtMs,
    isReplicaAvailable: () => state.isReplicaAvailable,
    othersConfirmedAtMs: () => state.othersAtMs,
  }).obstacles();

it('a pod that has confirmed nothing for 5 s while others have is unready, with the reason', () => {
  expect(obstacles()).toEqual([
    'this pod has not reached the replica for 6 s, while other pods of the region do',
  ]);
  state.ownAtMs = Number.NEGATIVE_INFINITY;
  expect(obstacles()).toEqual(['this pod has not reached the replica, while other pods of the region do']);
});

it('a pod is unready while others have confirmed within 5 s', () => {
  state.ownAtMs = ago(60);
  state.othersAtMs = ago(5);
  expect(obstacles()).toHaveLength(1);
});

describe('a pod stays ready', () => {
  it('while its own feed confirms', () => {
    state.ownAtMs = ago(5);
    state.othersAtMs = ago(-1);
    expect(obstacles()).toEqual([]);
  });

  it('while its lookups reach the replica', () => {
    state.isReplicaAvailable = true;
    expect(obstacles()).toEqual([]);
  });

  it('while no other pod confirms', () => {
    state.othersAtMs = undefined;
    expect(obstacles(), 'alone, or without Redis').toEqual([]);
    state.ownAtMs = ago(60);
    state.othersAtMs = ago(6);
    expect(obstacles(), 'the others confirmed before the outage').toEqual([]);
  });

  it('while the others are about as far behind, as with a slow replica', () => {
    state.ownAtMs = ago(8);
    state.othersAtMs = ago(3);
    expect(obstacles()).toEqual([]);
  });
});
