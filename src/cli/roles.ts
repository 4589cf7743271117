import type { Command } from 'commander';
import type { Project } from '../control-plane/roles/custom-roles.ts';
import { UsageError } from './command-failure.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { withAdministration } from './open-administration.ts';
import { readJson } from './role-assignment-flags.ts';
import { type CommonOptions, run, withExitCodes } from './run.ts';
import { table } from './texts.ts';

interface RoleOptions extends CommonOptions {
  organization?: string;
  project: string;
}

/** `iam roles …` */
export function registerRolesCommands(program: Command): void {
  const roles = withExitCodes(program)
    .command('roles')
    .description('Custom roles of a project: native Elasticsearch role descriptors under a name.')
    .addHelpText(
      'after',
      `
Over HTTP when IAM_CONTROL_PLANE_URL and IAM_API_KEY are set, else at the database of PRIMARY_DATABASE_URL.
${exitCodeHelp}`,
    );

  common(roles.command('put'))
    .argument('<name>', 'name of the role')
    .requiredOption(
      '--descriptor <json>',
      'body of PUT /_security/role/{name} as JSON, or @file with it ("-": standard input)',
    )
    .description('Write a role, new or in place of the one of that name.')
    .addHelpText(
      'after',
      `
Example:
  iam roles put log-reader --project elasticsearch:shop \\
    --descriptor '{"indices":[{"names":["logs-*"],"privileges":["read"]}]}'`,
    )
    .action((name: string, flags: RoleOptions & { descriptor: string }) =>
      run(
        flags,
        async () => {
          const project = parseProject(flags.project);
          const descriptor = readJson(flags.descriptor, '--descriptor');
          const { warnings } = await withAdministration(flags.organization, (administration) =>
            administration.putRole(project, name, descriptor),
          );
          return { name, ...(warnings.length > 0 && { warnings }) };
        },
        ({ warnings = [] }) =>
          [`wrote role ${name}`, ...warnings.map((warning) => `warning: ${warning}`)].join('\n'),
      ),
    );

  common(roles.command('list'))
    .description('List the custom roles of a project.')
    .action((flags: RoleOptions) =>
      run(
        flags,
        async () => ({
          roles: await withAdministration(flags.organization, (administration) =>
            administration.listRoles(parseProject(flags.project)),
          ),
        }),
        (answer) =>
          table(
            ['NAME', 'DESCRIPTOR'],
            answer.roles.map((role) => [role.name, JSON.stringify(role.descriptor)]),
          ),
      ),
    );

  common(roles.command('delete'))
    .argument('<name>', 'name of the role')
    .description('Delete a role. Keys that name it lose what it gave.')
    .action((name: string, flags: RoleOptions) =>
      run(
        flags,
        async () => {
          await withAdministration(flags.organization, (administration) =>
            administration.deleteRole(parseProject(flags.project), name),
          );
          return { deleted: name };
        },
        ({ deleted }) => `deleted role ${deleted}`,
      ),
    );
}

function parseProject(text: string): Project {
  const colon = text.indexOf(':');
  if (colon <= 0) throw new UsageError(`--project takes type:id, not ${JSON.stringify(text)}`);
  return { projectType: text.slice(0, colon), projectId: text.slice(colon + 1) };
}

function common(command: Command): Command {
  return command
    .requiredOption('--project <type:id>', 'project of the role, as in elasticsearch:my-project')
    .option('--organization <id>', 'organization (default: the only one)')
    .option('--json', 'answer as JSON')
    .addHelpText('after', exitCodeHelp);
}
