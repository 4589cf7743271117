import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { repeatedKey } from '../roles/repeated-key.ts';
import { UsageError } from './command-failure.ts';
import { parseProjectType } from './project-flag.ts';

/** Flags of `keys create` that define permissions. */
export interface RoleAssignmentFlags {
  roleAssignments?: string;
  project?: string[];
  allProjects?: string[];
  organizationRole?: string[];
  samePermissionsAsMine?: boolean;
}

const collect = (value: string, earlier: string[] = []) => [...earlier, value];

export function addRoleAssignmentFlags(command: Command): Command {
  return command
    .option('--role-assignments <json>', 'role assignments as JSON, @file, or "-" for standard input')
    .option(
      '--project <type:id=roles>',
      'roles on one project, such as elasticsearch:my-project=viewer,developer; repeatable',
      collect,
    )
    .option(
      '--all-projects <type=roles>',
      'roles on all present and future projects of a type, such as security=viewer; repeatable',
      collect,
    )
    .option(
      '--organization-role <role[=roles]>',
      'role in the organization, such as organization-admin; =roles adds roles on all projects; repeatable',
      collect,
    )
    .option(
      '--same-permissions-as-mine',
      'all permissions of the key that runs this command, including those of an owner',
    );
}

/**
 * Builds `role_assignments` from the flags; `undefined` for the permissions of the caller's key.
 * @throws {UsageError} if flags are missing, do not parse or contradict each other
 */
export function roleAssignmentsFromFlags(flags: RoleAssignmentFlags): unknown {
  const { project, allProjects, organizationRole } = flags;
  const hasShortFlags = project !== undefined || allProjects !== undefined || organizationRole !== undefined;
  const hasFlags = hasShortFlags || flags.roleAssignments !== undefined;
  if (flags.samePermissionsAsMine === true) {
    if (hasFlags)
      throw new UsageError('--same-permissions-as-mine cannot be combined with other permissions.');
    return undefined;
  }
  if (!hasFlags) {
    throw new UsageError(
      'The key needs permissions: --project, --all-projects, --organization-role or --role-assignments. For a copy of your own permissions, add --same-permissions-as-mine.',
    );
  }
  if (flags.roleAssignments !== undefined) {
    if (hasShortFlags)
      throw new UsageError(
        '--role-assignments cannot be combined with --project, --all-projects or --organization-role.',
      );
    return readJson(flags.roleAssignments, '--role-assignments');
  }
  const byType: Record<string, object[]> = {};
  const add = (type: string, entry: object) => {
    byType[type] = [...(byType[type] ?? []), { role_id: `${type}-application-only`, ...entry }];
  };
  for (const text of project ?? []) {
    const [, type, id, roles] = /^([^:=]+):([^=]+)=(.+)$/.exec(text) ?? [];
    if (type === undefined || id === undefined || roles === undefined) {
      throw new UsageError(`--project must be type:id=role,role, not ${JSON.stringify(text)}.`);
    }
    add(parseProjectType('--project', type), {
      all: false,
      project_ids: [id],
      application_roles: names(roles),
    });
  }
  for (const text of allProjects ?? []) {
    const [, type, roles] = /^([^:=]+)=(.+)$/.exec(text) ?? [];
    if (type === undefined || roles === undefined) {
      throw new UsageError(`--all-projects must be type=role,role, not ${JSON.stringify(text)}.`);
    }
    add(parseProjectType('--all-projects', type), { all: true, application_roles: names(roles) });
  }
  const organization = (organizationRole ?? []).map((text) => {
    const [roleId = '', roles] = text.split('=', 2);
    return { role_id: roleId, ...(roles === undefined ? {} : { application_roles: names(roles) }) };
  });
  return {
    ...(organization.length > 0 && { organization }),
    ...(Object.keys(byType).length > 0 && { project: byType }),
  };
}

/** Reads JSON from the argument, from `@file`, or from standard input (`-`). */
export function readJson(argument: string, what: string): unknown {
  const text =
    argument === '-' ? read(0, what) : argument.startsWith('@') ? read(argument.slice(1), what) : argument;
  const parsed = parse(text, what);
  const repeated = repeatedKey(text);
  if (repeated === undefined) return parsed;
  throw new UsageError(`${what}: the key ${JSON.stringify(repeated)} occurs twice in one object.`);
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${what} is not valid JSON.`);
  }
}

function read(from: string | number, what: string): string {
  try {
    return readFileSync(from, 'utf8');
  } catch (error) {
    throw new UsageError(`${what}: ${(error as Error).message}`);
  }
}

function names(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
}
