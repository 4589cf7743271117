import { flushCompileCache } from 'node:module';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { createLogger } from '../http/logger.ts';

interface Service {
  url: string;
  managementUrl: string;
  close(): Promise<void>;
}

/**
 * Runs a server until a signal: exit code 0 after a clean stop, 1 when it could not start, broke, or had to be cut
 * off after SHUTDOWN_TIMEOUT_MS. As a child of `npm start` it also stops when the parent is gone, however that ended.
 */
export async function runService(
  name: string,
  config: Pick<Config, 'LOG_LEVEL' | 'SHUTDOWN_TIMEOUT_MS'>,
  start: (logger: Logger) => Promise<Service>,
): Promise<void> {
  const logger = createLogger({ level: config.LOG_LEVEL, serviceName: name });
  let service: Service | undefined;
  const grace = closeWithGrace(
    {
      delay: config.SHUTDOWN_TIMEOUT_MS,
      logger: { error: (message: unknown) => logger.fatal({ err: message }, 'the stop failed') },
      onTimeout: (delayMs) => logger.error(`requests were still under way after ${delayMs} ms; cut off`),
    },
    async ({ err, signal }) => {
      if (err) logger.fatal({ err }, 'an error nobody handled');
      else logger.info(`stopping (${signal ?? 'the parent process is gone'})`);
      await service?.close();
      logger.info('stopped');
    },
  );
  if (process.connected) process.once('disconnect', grace.close);
  try {
    service = await start(logger);
    logger.info(`listening on ${service.url}, management on ${service.managementUrl}`);
    // Now rather than at the end: a process that is killed would leave the next one to compile again.
    flushCompileCache();
  } catch (error) {
    logger.fatal({ err: error }, 'the service could not start');
    process.exit(1);
  }
}
