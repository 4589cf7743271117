import { expect, it } from 'vitest';
import { callApi, newOrganization, startTestControlPlane } from '../../support/control-plane.ts';
import { createPrimary } from '../../support/primary.ts';

it('a control plane that shuts down is unready while it still answers the requests that it accepted', async () => {
  const primary = await createPrimary();
  const { pool } = primary;
  const controlPlane = await startTestControlPlane({}, primary);
  const readiness = async () => {
    const response = await fetch(`${controlPlane.managementUrl}/readyz`);
    return [response.status, await response.json()];
  };
  await expect.poll(async () => (await readiness())[0]).toBe(200);
  const owner = await newOrganization(pool);
  const holder = await pool.connect();
  let closed: Promise<void> | undefined;
  try {
    await holder.query('BEGIN');
    await holder.query('SELECT FROM organizations WHERE id = $1 FOR UPDATE', [owner.organizationId]);
    const pending = callApi(controlPlane, 'POST', '/api/v1/users/auth/keys', owner.authorization, {
      body: { description: 'accepted' },
    });
    await expect
      .poll(async () => {
        const { rows } = await holder.query(
          "SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        );
        return rows[0].count;
      })
      .toBe(1);
    closed = controlPlane.close();
    expect(await readiness()).toEqual([503, expect.objectContaining({ obstacles: ['closing'] })]);
    await holder.query('COMMIT');
    expect((await pending).status).toBe(201);
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
    await (closed ?? controlPlane.close());
    await primary.close();
  }
});
