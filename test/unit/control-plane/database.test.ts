import type { Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../../src/control-plane/audit/audit-event.ts';
import { Database } from '../../../src/control-plane/database.ts';
import { StoreOverloadedError, StoreUnavailableError } from '../../../src/keys/key-store.ts';

const event: AuditEvent = {
  organizationId: 'org',
  actor: { type: 'key', id: 'k' },
  action: 'api_key.create',
  outcome: 'success',
};

/** A database whose statements and audit log write into `steps`. @param fails the statement that fails, if any */
function recorded(fails?: string) {
  const steps: string[] = [];
  const client = {
    query: async (text: string) => {
      steps.push(text);
      if (text === fails) throw new Error('the connection ended');
      return { rows: [] };
    },
    on: () => {},
    off: () => {},
    release: (broken: boolean) => void steps.push(broken ? 'discard' : 'release'),
  };
  const pool = { options: { max: 1 }, connect: async () => client } as unknown as Pool;
  return { steps, database: new Database(pool, ({ action }) => void steps.push(`log ${action}`)) };
}

const change = (database: Database, then: () => void = () => {}) =>
  database.transaction(async (transaction) => {
    await transaction.query('UPDATE');
    transaction.onEvent(event);
    then();
  });

describe('the audit log of a transaction', () => {
  it('is written after the COMMIT has succeeded', async () => {
    const { steps, database } = recorded();
    await change(database);
    expect(steps).toEqual(['BEGIN', 'UPDATE', 'COMMIT', 'log api_key.create', 'release']);
  });

  it('is not written if the COMMIT fails', async () => {
    const { steps, database } = recorded('COMMIT');
    await expect(change(database)).rejects.toThrow(StoreUnavailableError);
    expect(steps).toEqual(['BEGIN', 'UPDATE', 'COMMIT', 'discard']);
  });

  it('is not written if the change is refused after its event', async () => {
    const { steps, database } = recorded();
    const refusal = new Error('refused');
    await expect(
      change(database, () => {
        throw refusal;
      }),
    ).rejects.toBe(refusal);
    expect(steps).toEqual(['BEGIN', 'UPDATE', 'ROLLBACK', 'release']);
  });
});

it('refuses calls beyond the bound of those that wait for a connection, with an error of its own', async () => {
  const { database } = recorded();
  const first = Promise.withResolvers<void>();
  const running = [database.transaction(() => first.promise)];
  for (let waiting = 0; waiting < 1_000; waiting += 1) running.push(database.transaction(async () => {}));
  await expect(database.transaction(async () => {})).rejects.toThrow(StoreOverloadedError);
  first.resolve();
  await Promise.all(running);
});
