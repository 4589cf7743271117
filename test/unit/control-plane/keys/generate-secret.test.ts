import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { generateSecret } from '../../../../src/control-plane/keys/generate-secret.ts';
import { decodeCredential } from '../../../../src/credential/format.ts';
import { verifySecret } from '../../../../src/credential/hash.ts';

const parts = {
  database: undefined as never,
  now: () => 0,
  nowForExpiry: () => 0,
  hashParameters: { memoryKiB: 8, timeCost: 1, parallelism: 1 },
  credentialPrefix: 'essu_dev',
  internalKeyQuota: 0,
  roleLimits: { roleBytes: 0, rolesPerProject: 0, organizationBytes: 0 },
};

it('never starts an id with a dash, which a command line would parse as an option', async () => {
  const drawn = [Buffer.alloc(16, 0xfb), Buffer.alloc(32, 1), Buffer.alloc(16, 0x10), Buffer.alloc(32, 2)];
  const { id } = await generateSecret({ ...parts, randomBytes: () => drawn.shift() as Buffer });
  expect(id).toBe(Buffer.alloc(16, 0x10).toString('base64url'));
});

it.each([
  ['v1', 'HYwQ7h2ySduq3TzS4Ndnaw'],
  ['legacy', '72kse5wBzbyj5dh9Iz13'],
  ['v1, and begins with a dash', '-h3A9zXQRCqTLkmM0aZ1bw'],
])('keeps the id and the credential layout of a key with %s at a rotation', async (_what, id) => {
  const fresh = await generateSecret({ ...parts, randomBytes }, id);
  const decoded = decodeCredential(fresh.credential, ['essu_dev']);
  if (!decoded.ok) throw new Error(decoded.reason);
  expect(decoded.credential.id).toBe(id);
  expect(await verifySecret(fresh.secretHash, decoded.credential.secret)).toBe(true);
});
