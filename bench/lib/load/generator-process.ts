import type { LoadPlan } from './plan.ts';
import { runLoad } from './run-load.ts';

/** Entry point of the load generator process: receives a plan over IPC and sends the result. */
process.on('message', (plan: LoadPlan) => {
  runLoad(plan).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
