import type { Command } from 'commander';
import { UsageError } from './command-failure.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { deleteRole, listRoles, putRole } from './operations.ts';
import { table } from './output.ts';
import { perform } from './perform.ts';
import { registerPredefinedRoleCommands } from './predefined-roles.ts';
import { parseProject } from './project-flag.ts';
import { readJson } from './role-assignment-flags.ts';
import { type CommonOptions, run, withExitCodes } from './run.ts';
import { canAsk, confirm } from './terminal.ts';

interface RoleOptions extends CommonOptions {
  organization?: string;
  project: string;
}

/** `iam roles …` */
export function registerRolesCommands(program: Command): void {
  const roles = withExitCodes(program)
    .command('roles')
    .description(
      'Manage the custom roles of a project (named native Elasticsearch role descriptors), and the predefined roles.',
    )
    .addHelpText(
      'after',
      `
Works over HTTP with IAM_CONTROL_PLANE_URL and IAM_API_KEY or a profile of "iam login", else on the database of
PRIMARY_DATABASE_URL. "iam roles load" works only on the database.
${exitCodeHelp}`,
    );

  withCommonOptions(roles.command('put'))
    .argument('<name>', 'name of the role')
    .requiredOption(
      '--descriptor <json>',
      'body of PUT /_security/role/{name}: JSON, @file, or "-" for standard input',
    )
    .option('--strict', 'refuse unknown privileges instead of warning')
    .description('Create or replace a role.')
    .addHelpText(
      'after',
      `
Example:
  iam roles put log-reader --project elasticsearch:shop \\
    --descriptor '{"indices":[{"names":["logs-*"],"privileges":["read"]}]}'`,
    )
    .action((name: string, flags: RoleOptions & { descriptor: string; strict?: boolean }) =>
      run(
        flags,
        async () => {
          const project = parseProject(flags.project);
          const descriptor = readJson(flags.descriptor, '--descriptor');
          const { warnings } = await perform(putRole, flags.organization, {
            project,
            name,
            descriptor,
            strict: flags.strict ?? false,
          });
          return { name, ...(warnings.length > 0 && { warnings }) };
        },
        ({ warnings = [] }) =>
          [`wrote role ${name}`, ...warnings.map((warning) => `warning: ${warning}`)].join('\n'),
      ),
    );

  registerPredefinedRoleCommands(roles);

  withCommonOptions(roles.command('list'))
    .description('List the custom roles of a project.')
    .action((flags: RoleOptions) =>
      run(
        flags,
        async () => ({
          roles: await perform(listRoles, flags.organization, parseProject(flags.project)),
        }),
        (result) =>
          table(
            ['NAME', 'DESCRIPTOR'],
            result.roles.map((role) => [role.name, JSON.stringify(role.descriptor)]),
          ),
      ),
    );

  withCommonOptions(roles.command('delete'))
    .argument('<name>', 'name of the role')
    .description('Delete a role. Keys that have the role lose its permissions.')
    .option('--yes', 'do not ask on a terminal')
    .action((name: string, flags: RoleOptions & { yes?: boolean }) =>
      run(
        flags,
        async () => {
          const project = parseProject(flags.project);
          const mustAsk = flags.yes !== true && flags.json !== true && canAsk();
          if (mustAsk && !(await confirm(`Delete role ${name} of ${flags.project}?`)))
            throw new UsageError('Nothing was deleted.');
          await perform(deleteRole, flags.organization, { project, name });
          return { deleted: name };
        },
        ({ deleted }) => `deleted role ${deleted}`,
      ),
    );
}

function withCommonOptions(command: Command): Command {
  return command
    .requiredOption('--project <type:id>', 'project of the role, such as elasticsearch:my-project')
    .option('--organization <id>', 'organization (default: the only one)')
    .option('--json', 'print JSON')
    .addHelpText('after', exitCodeHelp);
}
