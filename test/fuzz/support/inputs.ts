import fc from 'fast-check';

/** Names that JavaScript objects have of their own. */
const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString', 'then'];

const HOSTILE_TEXTS = [
  ...PROTOTYPE_NAMES,
  '',
  ' ',
  '\0',
  'a\0b',
  '\ufeff',
  '\ud800',
  '\udfff\ud800',
  '\u202e',
  '\u2028',
  'İ',
  'e\u0301',
  '💥',
  '\r\n',
  '\n',
  '\t',
  '"',
  '\\',
  '\\u0000',
  'true',
  'null',
  'undefined',
  'NaN',
  'Infinity',
  '-Infinity',
  '-1',
  '0x10',
  '1e3',
  '1.5',
  '9007199254740993',
  '9223372036854775807',
  '-9223372036854775808',
  '18446744073709551616',
];

/** Any Unicode, lone surrogates included; long repetitions find quadratic parsers. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 2, arbitrary: fc.string({ maxLength: 40 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('a', '"', '\\', '[', '{', '(', '&', '%', ',', '=', '\0', 'é'), fc.nat(3_000))
      .map(([unit, times]) => unit.repeat(times)),
  },
);

type Edit = {
  at: number;
  length: number;
  text: string;
  kind: 'insert' | 'delete' | 'replace' | 'repeat' | 'case';
};

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(100_000),
  length: fc.oneof(fc.nat(3), fc.nat(60)),
  text: fc.oneof(fc.string({ minLength: 1, maxLength: 2 }), hostileText),
  kind: fc.constantFrom('insert', 'delete', 'replace', 'repeat', 'case'),
});

/** Valid texts with up to four edits, and splices of two of them. */
export function mutated(valid: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const spliced = fc
    .tuple(valid, valid, fc.nat(100_000), fc.nat(100_000))
    .map(
      ([one, other, head, tail]) =>
        one.slice(0, head % (one.length + 1)) + other.slice(tail % (other.length + 1)),
    );
  return fc
    .tuple(fc.oneof({ weight: 5, arbitrary: valid }, spliced), fc.array(edit, { maxLength: 4 }))
    .map(([text, edits]) => edits.reduce(applyEdit, text));
}

function applyEdit(text: string, { at, length, text: other, kind }: Edit): string {
  const from = at % (text.length + 1);
  const [before, part, after] = [
    text.slice(0, from),
    text.slice(from, from + length),
    text.slice(from + length),
  ];
  switch (kind) {
    case 'insert':
      return before + other + part + after;
    case 'delete':
      return before + after;
    case 'replace':
      return before + other.slice(0, Math.max(1, length)) + after;
    case 'repeat':
      return before + part + part + after;
    case 'case':
      return before + swapCase(part) + after;
  }
}

function swapCase(text: string): string {
  return text === text.toLowerCase() ? text.toUpperCase() : text.toLowerCase();
}

const NUMBERS = [
  '0',
  '-0',
  '-1',
  '1e400',
  '-1e400',
  '1e-400',
  '2.5',
  '9007199254740993',
  '9223372036854775807',
];

/** The text of any JSON value, which may have a key twice. Its `__proto__` keys are keys like others once it is parsed. */
const hostileJson: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.constantFrom('null', 'true', 'false', ...NUMBERS),
    hostileText.map((text) => JSON.stringify(text)),
    fc.array(tie('value'), { maxLength: 3 }).map((values) => `[${values}]`),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom(...PROTOTYPE_NAMES), hostileText), tie('value')), {
        maxLength: 3,
      })
      .map((entries) => `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${value}`)}}`),
  ),
})).value;

interface Change {
  at: number;
  kind: 'set' | 'delete' | 'add' | 'nest' | 'copy';
  name: string;
  json: string;
}

type Container = Record<string, unknown> | unknown[];

/**
 * The JSON of valid values in which up to three members at any depth are replaced, removed, added, wrapped, or copied from
 * elsewhere. @param names of members that the reader may know
 */
export function mutatedJson(valid: fc.Arbitrary<unknown>, names: readonly string[]): fc.Arbitrary<string> {
  const change: fc.Arbitrary<Change> = fc.record({
    at: fc.nat(100_000),
    kind: fc.constantFrom('set', 'delete', 'add', 'nest', 'copy'),
    name: fc.oneof(fc.constantFrom(...names, ...PROTOTYPE_NAMES), hostileText),
    json: hostileJson,
  });
  return fc.tuple(valid, fc.array(change, { maxLength: 3 })).map(([value, changes]) => {
    const root = { value: JSON.parse(JSON.stringify(value)) as unknown };
    for (const each of changes) applyChange(root, each);
    return JSON.stringify(root.value) ?? 'null';
  });
}

function applyChange(root: Container, { at, kind, name, json }: Change): void {
  const slots = slotsOf(root);
  const [container, key] = slots[at % slots.length] ?? [root, 'value'];
  const present = (container as Record<string, unknown>)[key];
  const inside = typeof present === 'object' && present !== null ? (present as Container) : container;
  if (kind === 'set') define(container, key, JSON.parse(json));
  else if (kind === 'add')
    define(inside, Array.isArray(inside) ? String(inside.length) : name, JSON.parse(json));
  else if (kind === 'nest') define(container, key, at % 2 === 0 ? [present] : { [name]: present });
  else if (kind === 'copy') {
    const [from, other] = slots[(at * 7 + 3) % slots.length] ?? [root, 'value'];
    define(container, key, structuredClone((from as Record<string, unknown>)[other]));
  } else if (container !== root) {
    if (Array.isArray(container)) container.splice(Number(key), 1);
    else delete container[key];
  }
}

function define(container: Container, key: string, value: unknown): void {
  Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true });
}

function slotsOf(container: Container): [Container, string][] {
  return Object.entries(container).flatMap(([key, value]) => [
    [container, key] as [Container, string],
    ...(typeof value === 'object' && value !== null ? slotsOf(value as Container) : []),
  ]);
}
