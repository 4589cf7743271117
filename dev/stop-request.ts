const PARENT_POLL_MS = 500;

/** A request to stop. Further signals change nothing, because the stop has a time limit. */
export interface StopRequest {
  /** Aborted with the reason, a readable text. */
  signal: AbortSignal;
  /** Resolves when `signal` is aborted. */
  requested: Promise<void>;
  /** Set when the reason is an uncaught exception. */
  failure?: unknown;
}

/**
 * Listens for every reason to stop: signals, a closed terminal or pipe, a killed npm, an uncaught exception. From now
 * on none of them ends this process by itself.
 */
export function listenForStop(): StopRequest {
  const controller = new AbortController();
  const requested = Promise.withResolvers<void>();
  const request: StopRequest = { signal: controller.signal, requested: requested.promise };
  const stop = (reason: string) => {
    controller.abort(reason);
    requested.resolve();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop(name));
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop('output closed'));
  process.on('uncaughtException', (error) => {
    request.failure ??= error;
    stop('internal error');
  });
  if (process.env.npm_lifecycle_event) {
    // npm cannot forward a SIGKILL.
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && stop('npm exited'), PARENT_POLL_MS).unref();
  }
  return request;
}
