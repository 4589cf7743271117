import { LOGINS } from '../database/logins.ts';

/** An environment variable that only one command reads; the services have no use for it. */
export interface CommandVariable {
  name: string;
  /** The command, without `iam`. */
  command: string;
  secret: boolean;
  description: string;
}

/** docs/configuration.md lists them below the settings, which `config.ts` contains. */
export const COMMAND_VARIABLES: readonly CommandVariable[] = [
  {
    name: 'MIGRATE_DATABASE_URL',
    command: 'migrate, region',
    secret: true,
    description: 'Database URL with the login of its owner, like --database-url.',
  },
  {
    name: 'SUBSCRIBE_TO',
    command: 'migrate region, region',
    secret: true,
    description: 'Connection string of the primary, like --subscribe-to and --primary.',
  },
  {
    name: 'SUBSCRIPTION_NAME',
    command: 'migrate region, region',
    secret: false,
    description: 'Name of the subscription, like --subscription-name and --name.',
  },
  {
    name: 'ALLOW_UNVERIFIED_DATABASE',
    command: 'all that open a database',
    secret: false,
    description: '`true` allows databases on other hosts without sslmode=verify-full.',
  },
  ...LOGINS.map(({ name, kind, passwordVariable }) => ({
    name: passwordVariable,
    command: `migrate ${kind}`,
    secret: true,
    description: `Password that the login ${name} gets. If unset, the login keeps its password.`,
  })),
  {
    name: 'ELASTICSEARCH_API_KEY',
    command: 'roles diff',
    secret: true,
    description: 'Native API key with which the command reads the roles of a cluster.',
  },
];
