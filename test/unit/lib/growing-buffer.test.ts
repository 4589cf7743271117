import { expect, it } from 'vitest';
import { GrowingBuffer } from '../../../src/lib/growing-buffer.ts';

it('collects single bytes in few buffers that at most double', () => {
  const sizes: number[] = [];
  const buffer = new GrowingBuffer((capacity) => sizes.push(capacity) > 0);
  const text = 'x'.repeat(100_000);
  for (const byte of Buffer.from(text)) buffer.append(Buffer.of(byte));
  expect(buffer.bytes.toString()).toBe(text);
  expect(sizes).toEqual([1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072]);
});

it('stays as it is if it may not grow', () => {
  const buffer = new GrowingBuffer((capacity) => capacity <= 1_024);
  expect(buffer.append(Buffer.alloc(1_000, 'a'))).toBe(true);
  expect(buffer.append(Buffer.alloc(100, 'b'))).toBe(false);
  expect(buffer.bytes.toString()).toBe('a'.repeat(1_000));
});

it('does not grow beyond the expected size without need', () => {
  const sizes: number[] = [];
  const buffer = new GrowingBuffer((capacity) => sizes.push(capacity) > 0, 5_000);
  buffer.append(Buffer.alloc(4_500));
  buffer.append(Buffer.alloc(600));
  expect(sizes).toEqual([5_000, 5_100]);
});
