import { expect, it } from 'vitest';
import { failureOf } from '../../../src/cli/command-failure.ts';

it('says of a certificate file that the server of a region lacks that both hosts need it', () => {
  const ofServer = new Error(
    'subscription "eu" could not connect to the publisher: root certificate file "/none/ca.pem" does not exist',
  );
  const { exitCode, errors } = failureOf(ofServer);
  expect([exitCode, errors[0]?.message]).toEqual([2, expect.stringContaining('/none/ca.pem')]);
  expect(errors[0]?.message).toContain('on the host of this command and on the server of the region');
});
