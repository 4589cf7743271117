import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { UsageError } from './command-failure.ts';

/** What the flags of `keys create` say about permissions. */
export interface RoleAssignmentFlags {
  roleAssignments?: string;
  project?: string[];
  allProjects?: string[];
  organizationRole?: string[];
}

const collect = (value: string, earlier: string[] = []) => [...earlier, value];

export function addRoleAssignmentFlags(command: Command): Command {
  return command
    .option('--role-assignments <json>', 'all permissions as JSON, or @file with it ("-": standard input)')
    .option(
      '--project <type:id=roles>',
      'roles on one project, as in elasticsearch:my-project=viewer,developer; repeatable',
      collect,
    )
    .option(
      '--all-projects <type=roles>',
      'roles on every project of a type, now and later, as in security=viewer; repeatable',
      collect,
    )
    .option(
      '--organization-role <role[=roles]>',
      'role in the organization, as in organization-admin; with =roles also roles on every project; repeatable',
      collect,
    );
}

/**
 * `role_assignments` from the flags; `undefined` when none was given.
 * @throws {UsageError} when they do not parse or contradict each other
 */
export function roleAssignmentsFromFlags(flags: RoleAssignmentFlags): unknown {
  const { project, allProjects, organizationRole } = flags;
  const short = project !== undefined || allProjects !== undefined || organizationRole !== undefined;
  if (flags.roleAssignments !== undefined) {
    if (short) throw new UsageError('--role-assignments goes without the shorter flags.');
    return readJson(flags.roleAssignments, '--role-assignments');
  }
  if (!short) return undefined;

  const byType: Record<string, object[]> = {};
  const add = (type: string, entry: object) => {
    byType[type] = [...(byType[type] ?? []), { role_id: `${type}-application-only`, ...entry }];
  };
  for (const text of project ?? []) {
    const [, type, id, roles] = /^([^:=]+):([^=]+)=(.+)$/.exec(text) ?? [];
    if (type === undefined || id === undefined || roles === undefined) {
      throw new UsageError(`--project takes type:id=role,role; not ${JSON.stringify(text)}`);
    }
    add(type, { all: false, project_ids: [id], application_roles: names(roles) });
  }
  for (const text of allProjects ?? []) {
    const [, type, roles] = /^([^:=]+)=(.+)$/.exec(text) ?? [];
    if (type === undefined || roles === undefined) {
      throw new UsageError(`--all-projects takes type=role,role; not ${JSON.stringify(text)}`);
    }
    add(type, { all: true, application_roles: names(roles) });
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

/** JSON from the command line, from `@file`, or from standard input (`-`). */
export function readJson(argument: string, what: string): unknown {
  const text =
    argument === '-' ? read(0, what) : argument.startsWith('@') ? read(argument.slice(1), what) : argument;
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
