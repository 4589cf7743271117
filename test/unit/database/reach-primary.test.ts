import { expect, it } from 'vitest';
import { onPrimary } from '../../../src/database/region/reach-primary.ts';

it('does not connect to a primary that it cannot verify, also with a stored connection string', async () => {
  const unverified = onPrimary('host=db.invalid user=u password=s3cr3t', async () => {});
  await expect(unverified).rejects.toMatchObject({
    name: 'UnverifiedConnectionError',
    message: expect.not.stringMatching(/s3cr3t|db\.invalid/),
  });
});
