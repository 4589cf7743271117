import { flushCompileCache } from 'node:module';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import { type Config, ConfigError } from '../config.ts';
import { createLogger } from '../http/logger.ts';
import { captureOutput } from './capture-output.ts';
import { EXIT } from './exit-codes.ts';
import { misspeltVariables } from './misspelt-variables.ts';

interface Service {
  url: string;
  managementUrl: string;
  close(): Promise<void>;
}

/**
 * Runs a server until a signal. Exits with 0 after a clean shutdown, with 2 for an invalid setting, and with 1 if the server
 * could not start, failed, or exceeded SHUTDOWN_TIMEOUT_MS. A child of `npm start` also stops when its parent ends.
 */
export async function runService(
  name: string,
  config: Pick<Config, 'LOG_LEVEL' | 'SHUTDOWN_TIMEOUT_MS'>,
  start: (logger: Logger) => Promise<Service>,
): Promise<void> {
  const logger = createLogger({ level: config.LOG_LEVEL, serviceName: name });
  captureOutput(logger);
  for (const warning of misspeltVariables()) logger.warn(warning);
  let service: Service | undefined;
  const grace = closeWithGrace(
    {
      delay: config.SHUTDOWN_TIMEOUT_MS,
      logger: {
        error: (message: unknown) =>
          message instanceof Error
            ? logger.fatal({ err: message }, 'the shutdown failed')
            : logger.error(String(message)),
      },
      onTimeout: (delayMs) =>
        logger.error(`requests were still in flight after ${delayMs} ms; the shutdown aborts them`),
    },
    async ({ err, signal }) => {
      if (err) logger.fatal({ err }, 'unhandled error');
      else logger.info(`shutting down (${signal ?? 'the parent process ended'})`);
      await service?.close();
      logger.info('stopped');
    },
  );
  if (process.connected) process.once('disconnect', grace.close);
  try {
    service = await start(logger);
    logger.info(`listening on ${service.url}, management on ${service.managementUrl}`);
    // Not at exit: a killed process would not write the cache, and the next one would compile again.
    flushCompileCache();
  } catch (error) {
    logger.fatal({ err: error }, 'the service could not start');
    process.exit(error instanceof ConfigError ? EXIT.usage : EXIT.failure);
  }
}
