import { describe, expect, test } from 'vitest';
import { decodeCredential } from '../../../src/credential/format.ts';
import { vectors } from '../../support/vectors.ts';

const PREFIXES = ['essu', 'essu_dev'];
const ALL_BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));

/** Every accepted text in the list; a failing guarantee then shows the texts themselves. */
const accepted = (texts: string[]) => texts.filter((text) => decodeCredential(text, PREFIXES).ok);

describe.each(['v1', 'legacy'] as const)('a %s credential', (layout) => {
  const { text } = vectors[layout];
  const positions = Array.from({ length: text.length }, (_, at) => at);

  test('is refused when any one character is any other byte', () => {
    const changed = positions.flatMap((at) =>
      ALL_BYTES.filter((byte) => byte !== text[at]).map(
        (byte) => text.slice(0, at) + byte + text.slice(at + 1),
      ),
    );
    expect(changed).toHaveLength(text.length * 255);
    expect(accepted(changed)).toEqual([]);
  });

  test('is refused when any one character is missing', () => {
    expect(accepted(positions.map((at) => text.slice(0, at) + text.slice(at + 1)))).toEqual([]);
  });

  test('is refused when any byte is added anywhere', () => {
    const longer = [...positions, text.length].flatMap((at) =>
      ALL_BYTES.map((byte) => text.slice(0, at) + byte + text.slice(at)),
    );
    expect(accepted(longer)).toEqual([]);
  });

  test('is refused when cut off anywhere', () => {
    expect(accepted(positions.map((at) => text.slice(0, at)))).toEqual([]);
  });

  test('is refused when two different neighbours are exchanged', () => {
    const swapped = positions
      .filter((at) => at > 0 && text[at - 1] !== text[at])
      .map((at) => text.slice(0, at - 1) + text[at] + text[at - 1] + text.slice(at + 1));
    expect(accepted(swapped)).toEqual([]);
  });

  test('is refused when any one byte under its base64 has any other value', () => {
    const bytes = Buffer.from(text.slice('essu_dev_'.length), 'base64');
    const changed = Array.from(bytes).flatMap((was, at) =>
      ALL_BYTES.map((_, value) => value)
        .filter((value) => value !== was)
        .map((value) => {
          const copy = Buffer.from(bytes);
          copy[at] = value;
          return `essu_dev_${copy.toString('base64')}`;
        }),
    );
    expect(accepted(changed)).toEqual([]);
  });
});
