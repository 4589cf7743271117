import { Command, InvalidArgumentError } from 'commander';
import { EXIT } from '../src/cli/exit-codes.ts';
import { reportFailure } from '../src/cli/failure.ts';
import { misplacedOption } from './misplaced-options.ts';

/** The highest port is base + 1011. */
function portBase(text: string): number {
  const port = Number(text);
  if (Number.isSafeInteger(port) && port >= 1024 && port <= 64_524) return port;
  throw new InvalidArgumentError('Give a number from 1024 to 64524.');
}

const program = new Command('npm start --')
  .description('Run the full stack on loopback: two Postgres servers with replication, and both services.')
  .option('--reset', 'delete the state of earlier runs first')
  .option('--port-base <port>', 'first port; all other ports are derived from it', portBase, 8080)
  .showHelpAfterError('(--help lists the options)')
  .addHelpText(
    'after',
    `
Ports, for a base of 8080: regional service 8080, control plane 8081, primary Postgres 8082, regional Postgres 8083,
Redis 8084, management 9090 (regional service) and 9091 (control plane). All listen on 127.0.0.1.

Redis is the server at REDIS_URL, else a redis-server or valkey-server on the PATH, else none.
Other settings in the environment (LOG_LEVEL, ARGON2_CONCURRENCY …) reach both services. State is kept in .iam/.`,
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage))
  .action(async (options: { reset?: boolean; portBase: number }) => {
    const { runDev } = await import('./run.ts');
    await runDev({ reset: options.reset ?? false, portBase: options.portBase });
  });

const misplaced = misplacedOption(process.env, process.argv.slice(2));
if (misplaced !== undefined) {
  process.stderr.write(`error: ${misplaced}\n`);
  process.exit(EXIT.usage);
}
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = await reportFailure(error);
}
