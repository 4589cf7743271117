import { portPlan, wantedPorts } from '../../dev/port-plan.ts';
import { assertPortsFree, freePort } from '../../dev/ports.ts';

/** Finds a `--port-base` whose ports are all free. */
export async function freePortBase(): Promise<number> {
  for (;;) {
    const base = await freePort();
    try {
      await assertPortsFree(wantedPorts(portPlan(base), true));
      return base;
    } catch {} // another port of the plan is in use: try the next base
  }
}
