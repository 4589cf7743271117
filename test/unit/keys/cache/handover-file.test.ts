import { randomBytes } from 'node:crypto';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HandoverFile, type SecretMemo } from '../../../../src/keys/cache/handover-file.ts';
import { policies } from '../../../../src/keys/cache/policies.ts';
import { SealedBox } from '../../../../src/keys/cache/redis/sealed-box.ts';

const key = randomBytes(32);
const memos: SecretMemo[] = [
  ['\u0000\u00ff"digest one', '$argon2id$v=19$m=8,t=1,p=1$salt$hash-one'],
  ['digest two', '$argon2id$v=19$m=8,t=1,p=1$salt$hash-two'],
];

let directory: string;
let path: string;
let nowMs: number;
let lines: { level: number; msg: string }[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'iam-handover-'));
  path = join(directory, 'memo');
  nowMs = 1_000_000;
  lines = [];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function fileOf(secrets = [key]): HandoverFile {
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return new HandoverFile({ path, secrets, now: () => nowMs, logger });
}

const warnings = () => lines.filter(({ level }) => level >= 40);

it('passes the memos on in their order, once, in a file that only its owner can read', async () => {
  await fileOf().leave(memos);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(directory)).toEqual(['memo']);
  expect(await fileOf().take()).toEqual(memos);
  expect(await readdir(directory)).toEqual([]);
  expect(await fileOf().take()).toEqual([]);
  expect(warnings()).toEqual([]);
});

it('reveals no digest and no hash to a reader of the file or of the log', async () => {
  await fileOf().leave(memos);
  await fileOf().take();
  await fileOf().leave(memos);
  const contents = (await readFile(path)).toString('latin1') + JSON.stringify(lines);
  for (const text of ['digest', 'argon2', 'hash-one', '$v=19']) expect(contents).not.toContain(text);
});

it('reads a file that an older key has sealed', async () => {
  await fileOf().leave(memos);
  expect(await fileOf([randomBytes(32), key]).take()).toEqual(memos);
});

const unusable: [name: string, spoil: () => Promise<unknown>][] = [
  ['damaged', async () => writeFile(path, flipped(await readFile(path)))],
  ['truncated', async () => writeFile(path, (await readFile(path)).subarray(0, 40))],
  ['empty', () => writeFile(path, '')],
  ['no file of a pod', () => writeFile(path, '[["digest","hash"]]')],
  ['sealed with a foreign key', () => fileOf([randomBytes(32)]).leave(memos)],
  [
    'a value of Redis that is sealed with the right key',
    () =>
      writeFile(path, new SealedBox([key], () => nowMs).seal(JSON.stringify(memos), 'iam8:x', nowMs + 1_000)),
  ],
  ['outdated', async () => (nowMs += policies.handover.ttlMs)],
];

it.each(unusable)('ignores and removes a file that is %s, with one line in the log', async (_name, spoil) => {
  await fileOf().leave(memos);
  await spoil();
  expect(await fileOf().take()).toEqual([]);
  expect(warnings()).toHaveLength(1);
  expect(warnings()[0]?.msg).toMatch(/^HANDOVER_FILE is ignored: it is damaged, expired, or sealed/);
  expect(await readdir(directory)).toEqual([]);
});

it('does not follow a link, and reads no directory', async () => {
  const elsewhere = join(directory, 'elsewhere');
  await fileOf().leave(memos);
  await writeFile(elsewhere, await readFile(path));
  await rm(path);
  await symlink(elsewhere, path);
  expect(await fileOf().take()).toEqual([]);
  await rm(path);
  await mkdir(path);
  expect(await fileOf().take()).toEqual([]);
  expect(warnings()).toHaveLength(2);
  expect((await readdir(directory)).sort()).toEqual(['elsewhere', 'memo']);
});

it('does not read a file of more than 256 MiB', async () => {
  await fileOf().leave(memos);
  await truncate(path, 256 * 1_048_576 + 1);
  expect(await fileOf().take()).toEqual([]);
  expect(warnings()[0]?.msg).toBe('HANDOVER_FILE is ignored: it is no file that a pod has left');
});

it('replaces a former file and a temporary one that others can read, and writes through no link', async () => {
  const target = join(directory, 'target');
  await writeFile(target, 'untouched');
  await symlink(target, `${path}.tmp`);
  await writeFile(path, 'former', { mode: 0o644 });
  await chmod(path, 0o644);
  await fileOf().leave(memos);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readFile(target, 'utf8')).toBe('untouched');
  expect(await fileOf().take()).toEqual(memos);
});

it('says before the stop that the folder of the file is missing, and writes nothing into one that exists', async () => {
  await fileOf().checkFolder();
  expect([lines, await readdir(directory)]).toEqual([[], []]);
  path = join(directory, 'missing', 'memo');
  await fileOf().checkFolder();
  expect(warnings()).toEqual([
    expect.objectContaining({
      level: 50,
      msg: expect.stringMatching(/ENOENT.*name a file in a folder that exists/),
    }),
  ]);
});

it('logs one line when the file cannot be written, and does not reject', async () => {
  path = join(directory, 'missing', 'memo');
  await fileOf().leave(memos);
  expect(warnings()).toHaveLength(1);
  expect(warnings()[0]?.msg).toMatch(/^HANDOVER_FILE cannot be written: .*ENOENT/);
});

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1] = (copy.at(-1) as number) ^ 1;
  return copy;
}
