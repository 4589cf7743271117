import type { LoadPlan } from './plan.ts';
import { runLoad } from './run-load.ts';

/** Entry of the load generator's own process: a plan comes in, a result goes out. */
process.on('message', async (plan: LoadPlan) => {
  try {
    process.send?.({ result: await runLoad(plan) });
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit());
