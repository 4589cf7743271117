import { type Command, InvalidArgumentError } from 'commander';

/** `iam dev`, which is `npm start`. */
export function registerDevCommand(program: Command): void {
  program
    .command('dev')
    .description('Run a whole small world on loopback: two Postgres, replication, both services (npm start).')
    .option('--reset', 'forget the state of earlier runs first')
    .option('--port-base <port>', 'first port; all others follow from it', portBase, 8080)
    .addHelpText(
      'after',
      `
Ports, for a base of 8080: regional service 8080, control plane 8081, primary Postgres 8082, regional Postgres 8083,
Redis 8084, management 9090 (regional service) and 9091 (control plane). All listen on 127.0.0.1.

Redis is the server at REDIS_URL, else a redis-server or valkey-server on the PATH, else the world runs without.
Other settings in the environment (LOG_LEVEL, ARGON2_CONCURRENCY …) reach both services. State is kept in .iam/.`,
    )
    .action(async (options: { reset?: boolean; portBase: number }) => {
      const { runDev } = await import('../dev/run.ts');
      await runDev({ reset: options.reset ?? false, portBase: options.portBase });
    });
}

/** The highest port is base + 1011. */
function portBase(text: string): number {
  const port = Number(text);
  if (Number.isSafeInteger(port) && port >= 1024 && port <= 64_524) return port;
  throw new InvalidArgumentError('Give a number from 1024 to 64524.');
}
