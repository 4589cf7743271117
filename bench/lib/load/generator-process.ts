import type { LoadPlan } from './plan.ts';
import { runLoad } from './run-load.ts';

/** Entry of the load generator's own process: a plan comes in, a result goes out. */
process.on('message', (plan: LoadPlan) => {
  runLoad(plan).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
