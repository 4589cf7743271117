const PARENT_POLL_MS = 500;

/** Asks to stop, as often as somebody likes: the stop itself is bounded, so nothing is gained by a second signal. */
export interface StopRequest {
  /** Aborted with the reason, a text for a person. */
  signal: AbortSignal;
  /** Resolves when `signal` is aborted. */
  asked: Promise<void>;
  /** Set when the reason is an error that nobody handled. */
  failure?: unknown;
}

/**
 * Listens for everything that ends a supervisor: signals, a closed terminal or pipe, an npm that was killed, an error
 * nobody handled. From here on this process ends only by running to its end.
 */
export function untilAskedToStop(): StopRequest {
  const controller = new AbortController();
  const asked = Promise.withResolvers<void>();
  const request: StopRequest = { signal: controller.signal, asked: asked.promise };
  const ask = (reason: string) => {
    controller.abort(reason);
    asked.resolve();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => ask(name));
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => ask('output closed'));
  process.on('uncaughtException', (error) => {
    request.failure ??= error;
    ask('internal error');
  });
  if (process.env.npm_lifecycle_event) {
    // npm cannot forward a SIGKILL.
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && ask('npm is gone'), PARENT_POLL_MS).unref();
  }
  return request;
}
