import fc from 'fast-check';
import { expect } from 'vitest';
import { IamError } from '../../src/errors.ts';
import { parseAuthenticationRequest, wantsToken } from '../../src/regional/authentication-request.ts';
import { fuzz } from './support/fuzz.ts';
import { hostileText, mutated } from './support/inputs.ts';

const FLAGS = ['include_token', 'include_role_assignments', 'include_role_descriptors'] as const;

const percented = (text: string) =>
  Array.from(text, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0').slice(-2)}`).join('');

const name = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...FLAGS, 'audience') },
  { weight: 1, arbitrary: fc.constantFrom(...FLAGS).map(percented) },
  { weight: 1, arbitrary: hostileText.map((text) => encodeURIComponent(text.toWellFormed())) },
);
const value = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('true', 'false') },
  { weight: 1, arbitrary: fc.constantFrom('true', 'false', 'TRUE', '').map(percented) },
  { weight: 1, arbitrary: hostileText.map((text) => encodeURIComponent(text.toWellFormed())) },
);
const pair = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(name, value).map(([left, right]) => `${left}=${right}`) },
  { weight: 1, arbitrary: name },
  // A plain head has room for thousands of pairs.
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom('x&', '&', 'a=b&', 'include_token&'), fc.nat(2_000)).map(repeated),
  },
);

function repeated([unit, times]: [string, number]): string {
  return unit.repeat(times);
}

const query = fc.array(pair, { maxLength: 5 }).map((pairs) => pairs.join('&'));

/** Flags by another parser, the URL standard's; `refused` if a flag is repeated or has another value. */
function expected(rawQuery: string) {
  const params = new URLSearchParams(rawQuery);
  const values = FLAGS.map((flag) => params.getAll(flag));
  const audience = params.getAll('audience');
  const isFlag = (given: string[]) =>
    given.length === 0 || (given.length === 1 && /^(true|false)$/.test(given[0] ?? ''));
  if (!values.every(isFlag) || audience.length > 1 || (audience[0]?.length ?? 0) > 2_048) return 'refused';
  const [token, assignments, descriptors] = values.map(([given]) => given);
  return {
    contexts: undefined,
    includeRoleAssignments: assignments === 'true',
    includeRoleDescriptors: descriptors !== 'false',
    wantsToken: token === 'true' || audience.length === 1,
  };
}

fuzz(
  'reads a query string like the URL standard, and refuses what it does not know with 400',
  fc.oneof(query, mutated(query)),
  (rawQuery) => {
    const should = expected(rawQuery);
    let flags: unknown;
    try {
      flags = { ...parseAuthenticationRequest(rawQuery, undefined), wantsToken: wantsToken(rawQuery) };
    } catch (error) {
      expect(error).toBeInstanceOf(IamError);
      expect((error as IamError).reason).toBe('REQUEST_INVALID');
      expect((error as IamError).message.length).toBeLessThan(1_000);
      expect(should).toBe('refused');
      return 'refused';
    }
    expect(flags).toEqual(should);
    return 'accepted';
  },
  { accepted: 0.1, refused: 0.05 },
);
