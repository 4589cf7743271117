import { describe, expect, it } from 'vitest';
import { decodeCredential } from '../../../src/credential/format.ts';
import { vectors } from '../../support/vectors.ts';

const PREFIXES = ['essu', 'essu_dev'];
const ALL_BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));

/** The accepted texts of a list, so that a failing test shows them. */
const accepted = (texts: string[]) => texts.filter((text) => decodeCredential(text, PREFIXES).ok);

describe.each(['v1', 'legacy'] as const)('a %s credential', (layout) => {
  const { text } = vectors[layout];
  const positions = Array.from({ length: text.length }, (_, at) => at);

  it('is refused when any one character is replaced by any other byte', () => {
    const changed = positions.flatMap((at) =>
      ALL_BYTES.filter((byte) => byte !== text[at]).map(
        (byte) => text.slice(0, at) + byte + text.slice(at + 1),
      ),
    );
    expect(changed).toHaveLength(text.length * 255);
    expect(accepted(changed)).toEqual([]);
  });

  it('is refused when any one character is missing', () => {
    expect(accepted(positions.map((at) => text.slice(0, at) + text.slice(at + 1)))).toEqual([]);
  });

  it('is refused when any byte is added anywhere', () => {
    const longer = [...positions, text.length].flatMap((at) =>
      ALL_BYTES.map((byte) => text.slice(0, at) + byte + text.slice(at)),
    );
    expect(accepted(longer)).toEqual([]);
  });

  it('is refused when truncated anywhere', () => {
    expect(accepted(positions.map((at) => text.slice(0, at)))).toEqual([]);
  });

  it('is refused when two different neighbors are swapped', () => {
    const swapped = positions
      .filter((at) => at > 0 && text[at - 1] !== text[at])
      .map((at) => text.slice(0, at - 1) + text[at] + text[at - 1] + text.slice(at + 1));
    expect(accepted(swapped)).toEqual([]);
  });

  it('is refused when any one decoded byte has any other value', () => {
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
