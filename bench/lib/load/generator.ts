import { fileURLToPath } from 'node:url';
import { startNode } from '../child.ts';
import type { LoadPlan, LoadResult } from './plan.ts';

/** A load generator in a separate process. */
export interface Generator {
  /** Runs one plan; runs must not overlap. @throws Error if a connection fails */
  run(plan: LoadPlan): Promise<LoadResult>;
  stop(): Promise<void>;
}

export function startGenerator(processors: string | undefined): Generator {
  const child = startNode(fileURLToPath(new URL('./generator-process.ts', import.meta.url)), { processors });
  return {
    run: async (plan) => {
      const reply = child.message<{ result: LoadResult } | { error: string }>();
      child.process.send(plan);
      const outcome = await reply;
      if ('error' in outcome) throw new Error(`the load generator failed: ${outcome.error}`);
      return outcome.result;
    },
    stop: () => child.stop(),
  };
}
