import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ForwardingCircuit } from '../../../src/regional/forwarding/forwarding-circuit.ts';
import { recordingLogger } from '../../support/recording-logger.ts';

/** What a probe does: the control plane responds, or is silent until the timeout of the probe. */
let responds: boolean;
let probes: number;
let circuit: ForwardingCircuit;
let lines: { msg: string }[];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  responds = false;
  probes = 0;
  const recording = recordingLogger();
  lines = recording.lines;
  circuit = new ForwardingCircuit({
    logger: recording.logger,
    isSilent: () => {
      probes += 1;
      if (responds) return Promise.resolve(false);
      return new Promise((resolve) => setTimeout(resolve, 2_000, true));
    },
  });
});
afterEach(() => {
  circuit.stop();
  vi.useRealTimers();
});

const isOpen = () => {
  try {
    circuit.assertClosed();
    return false;
  } catch (error) {
    expect(error).toMatchObject({ reason: 'CONTROL_PLANE_UNAVAILABLE' });
    return true;
  }
};
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it('refuses calls 4 s after the first one that gets no response, until a probe gets one', async () => {
  circuit.watch();
  await pass(3_999);
  expect(isOpen()).toBe(false);
  await pass(1);
  expect(isOpen()).toBe(true);
  await pass(60_000);
  expect(isOpen()).toBe(true);
  responds = true;
  await pass(2_500);
  expect(isOpen()).toBe(false);
  expect(lines.map(({ msg }) => msg.split(';')[0])).toEqual([
    'the control plane is silent',
    'the control plane is not silent any more',
  ]);
});

it('probes at once after a call that failed, with one probe at a time', async () => {
  for (let call = 0; call < 100; call += 1) circuit.watch().failed();
  expect(probes).toBe(1);
  await pass(2_000);
  expect(isOpen()).toBe(true);
  await pass(2_499);
  expect(probes).toBe(2);
});

it('a call that takes long refuses no others while the control plane responds', async () => {
  responds = true;
  circuit.watch();
  await pass(60_000);
  expect(probes).toBe(1);
  expect(isOpen()).toBe(false);
});

it('does not probe for a call while others get responses', async () => {
  circuit.watch();
  await pass(1_000);
  circuit.watch().responded();
  await pass(60_000);
  expect(probes).toBe(0);
});

it('a response ends the watch of its call', async () => {
  const call = circuit.watch();
  await pass(1_999);
  call.responded();
  await pass(60_000);
  expect(probes).toBe(0);
});

it('stops probing with the service', async () => {
  circuit.watch().failed();
  await pass(2_000);
  circuit.stop();
  await pass(60_000);
  expect(probes).toBe(1);
  circuit.watch().failed();
  expect(probes).toBe(1);
});
