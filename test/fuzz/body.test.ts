import fc from 'fast-check';
import { expect } from 'vitest';
import { IamError } from '../../src/errors.ts';
import { MAX_CONTEXTS, parseAuthenticationRequest } from '../../src/regional/authentication-request.ts';
import { RequestReader } from '../../src/regional/request-reader.ts';
import { PROJECT_TYPES } from '../../src/roles/project-type.ts';
import { fuzz } from './support/fuzz.ts';
import { hostileText, mutated, mutatedJson } from './support/inputs.ts';

const name = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[a-z0-9]{1,8}$/) },
  { weight: 1, arbitrary: hostileText },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(256), 'x'.repeat(257), '💥'.repeat(256)) },
);
const context = fc.record({
  type: fc.constant('project'),
  project_id: name,
  project_type: fc.constantFrom(...PROJECT_TYPES, 'elasticsearch_general_purpose', 'elasticsearch_'),
  project_organization_id: name,
});
const valid = fc.oneof(
  { weight: 8, arbitrary: fc.record({ contexts: fc.array(context, { maxLength: 3 }) }) },
  { weight: 1, arbitrary: fc.constantFrom({}, { contexts: null }, { contexts: [] }) },
);
const NAMES = ['contexts', 'type', 'project_id', 'project_type', 'project_organization_id'];
const json = mutatedJson(valid, NAMES);

/** Near and beyond the maximum number of contexts. */
const many = fc
  .tuple(context, fc.constantFrom(MAX_CONTEXTS - 1, MAX_CONTEXTS, MAX_CONTEXTS + 1))
  .map(([one, times]) => JSON.stringify({ contexts: Array.from({ length: times }, () => one) }));

const deep = fc
  .tuple(fc.constantFrom('[', '{"contexts":', '{"contexts":[', '"\\"'), fc.nat(20_000))
  .map(([unit, times]) => unit.repeat(times));

const raw = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const text = fc
  .oneof(
    { weight: 40, arbitrary: json },
    { weight: 20, arbitrary: mutated(json) },
    { weight: 1, arbitrary: deep },
  )
  .map((sent) => Buffer.from(sent));
/** UTF-16, and UTF-8 whose bytes are damaged. */
const otherEncodings = fc.oneof(
  json.map((sent) => Buffer.from(sent, 'utf16le')),
  fc.tuple(text, fc.nat(1_000), fc.nat(255)).map(([sent, at, byte]) => {
    const damaged = Buffer.from(sent);
    if (damaged.length > 0) damaged[at % damaged.length] = byte;
    return damaged;
  }),
);
const body = fc.oneof(
  { weight: 300, arbitrary: text },
  { weight: 60, arbitrary: otherEncodings },
  { weight: 20, arbitrary: raw },
  { weight: 1, arbitrary: many.map((sent) => Buffer.from(sent)) },
);

function isName(value: unknown): boolean {
  // Characters are code points, as in JSON Schema.
  return typeof value === 'string' && value !== '' && [...value].length <= 256 && !value.includes('\0');
}

/** The contexts that a body contains, by the specification; `refused` if it must not be accepted. */
function expected(bytes: Buffer) {
  if (bytes.length === 0) return undefined;
  const sent: unknown = JSON.parse(decoded(bytes));
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) return 'refused';
  const contexts = Object.hasOwn(sent, 'contexts') ? (sent as { contexts: unknown }).contexts : undefined;
  if (contexts === undefined || contexts === null) return undefined;
  if (!Array.isArray(contexts) || contexts.length > MAX_CONTEXTS) return 'refused';
  const read = contexts.map((each: Record<string, unknown> | null) => {
    const type = typeof each?.project_type === 'string' ? each.project_type : '';
    const projectType = /^elasticsearch_./s.test(type) ? 'elasticsearch' : type;
    if (each?.type !== 'project' || !isName(each.project_id) || !isName(each.project_organization_id))
      return 'refused';
    if (!PROJECT_TYPES.some((known) => known === projectType)) return 'refused';
    return { projectId: each.project_id, projectType, organizationId: each.project_organization_id };
  });
  return read.includes('refused') ? 'refused' : read;
}

/** RFC 8259 (8.1) lets a parser ignore a byte order mark. */
function decoded(bytes: Buffer): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(decoded(bytes));
    return true;
  } catch {
    return false;
  }
}

const reader = new RequestReader(1_000_000);

fuzz(
  'reads the contexts of a body exactly, or refuses it with 400',
  // As text, one character per byte, so that a counterexample is readable.
  body.map((bytes) => bytes.toString('latin1')),
  (sent) => {
    const bytes = Buffer.from(sent, 'latin1');
    let read: unknown;
    try {
      read = parseAuthenticationRequest('', bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(IamError);
      const { reason, message, resource } = error as IamError;
      expect(reason).toBe('REQUEST_INVALID');
      expect(message.length + (resource ?? '').length).toBeLessThan(1_000);
      if (isJson(bytes)) expect(expected(bytes)).toBe('refused');
      expect(() => reader.read('', sent, 'org')).toThrow(IamError);
      return 'refused';
    }
    expect(bytes.length === 0 || isJson(bytes)).toBe(true);
    expect((read as { contexts: unknown }).contexts).toEqual(expected(bytes));
    expect(reader.read('', sent, 'org')).toEqual(read);
    return 'accepted';
  },
  { accepted: 0.05, refused: 0.1 },
);
