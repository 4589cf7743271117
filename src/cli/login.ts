import type { Command } from 'commander';
import { z } from 'zod';
import { loadConfig } from '../config.ts';
import type { KeyView } from '../control-plane/keys/key-view.ts';
import { decodeCredential, decodeFailureMessage } from '../credential/format.ts';
import { urlProblem } from '../lib/url-problem.ts';
import { notControlPlane, UsageError } from './command-failure.ts';
import { connection } from './connection.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { httpTarget } from './http-target.ts';
import { keyPath } from './operations.ts';
import { keyText } from './output.ts';
import {
  DEFAULT_PROFILE,
  type Profile,
  profilesFile,
  readProfiles,
  requireProfile,
  writeProfiles,
} from './profiles.ts';
import { type CommonOptions, run, withExitCodes } from './run.ts';
import { ask, canAsk, readSecret } from './terminal.ts';

const urlSchema = z.url({ protocol: /^https?$/ });

/** `iam login` */
export function registerLoginCommand(program: Command): void {
  withExitCodes(program)
    .command('login')
    .description('Store the URL of a control plane and a key as a profile.')
    .option('--url <url>', 'URL of the control plane (default: IAM_CONTROL_PLANE_URL, or asked)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The key is read without echo from the terminal, or from standard input. It is checked before it is stored, in
$XDG_CONFIG_HOME/iam/profiles.json, which only you can read. --profile chooses the profile, also for other commands.

Examples:
  iam login --url https://iam.example.com
  iam login --profile staging --url https://iam.staging.example.com < key.txt
${exitCodeHelp}`,
    )
    .action((flags: CommonOptions & { url?: string }) =>
      run(
        flags,
        () => login(flags.url),
        ({ profile, id, file }) => `stored key ${id} as profile "${profile}" in ${file}`,
      ),
    );
}

/** `iam logout` */
export function registerLogoutCommand(program: Command): void {
  withExitCodes(program)
    .command('logout')
    .description('Remove a profile. The key stays valid: "iam keys revoke" ends its access.')
    .option('--json', 'print JSON')
    .addHelpText('after', exitCodeHelp)
    .action((flags: CommonOptions) =>
      run(
        flags,
        async () => logout(),
        ({ removed }) => `removed profile "${removed}"`,
      ),
    );
}

/** `iam whoami` */
export function registerWhoamiCommand(program: Command): void {
  withExitCodes(program)
    .command('whoami')
    .description('Show the key that commands use, its organization and its permissions.')
    .option('--json', 'print JSON')
    .addHelpText('after', exitCodeHelp)
    .action((flags: CommonOptions) =>
      run(flags, whoami, (result) => `${keyText(result.key)}\nvia           ${result.url}`),
    );
}

function profileName(): string {
  return loadConfig(process.env).IAM_PROFILE ?? DEFAULT_PROFILE;
}

async function login(urlFlag: string | undefined): Promise<{ profile: string; id: string; file: string }> {
  const given = urlFlag ?? loadConfig(process.env).IAM_CONTROL_PLANE_URL;
  if (given === undefined && !canAsk()) throw new UsageError('Pass --url, or set IAM_CONTROL_PLANE_URL.');
  const text = given ?? (await ask('URL of the control plane: '));
  const problem = urlProblem(text);
  if (problem !== undefined) throw new UsageError(`The URL of the control plane cannot be used: ${problem}.`);
  const url = urlSchema.safeParse(text);
  if (!url.success) throw new UsageError('The URL must start with http:// or https://.');
  const profile: Profile = { url: url.data, apiKey: await readSecret('API key (not shown): ') };
  const { id } = await ownKey(profile);
  const name = profileName();
  writeProfiles({ ...readProfiles(), [name]: profile });
  return { profile: name, id, file: profilesFile() };
}

function logout(): { removed: string } {
  const name = profileName();
  requireProfile(name);
  const { [name]: _removed, ...others } = readProfiles();
  writeProfiles(others);
  return { removed: name };
}

async function whoami(): Promise<{ url: string; key: KeyView }> {
  const profile = connection();
  if (profile === undefined) {
    const isLoggedIn = Object.hasOwn(readProfiles(), DEFAULT_PROFILE);
    throw new UsageError(
      `Commands work on the database of PRIMARY_DATABASE_URL, without a key. ${isLoggedIn ? 'To use your profile, pass' : 'To use a key, run "iam login" and pass'} --profile ${DEFAULT_PROFILE}.`,
    );
  }
  return { url: profile.url, key: await ownKey(profile) };
}

/** The key that the credential belongs to: any key may read itself. */
async function ownKey({ url, apiKey }: Profile): Promise<KeyView> {
  const prefix = apiKey.slice(0, Math.max(apiKey.lastIndexOf('_'), 0));
  const decoded = decodeCredential(apiKey, [prefix]);
  if (!decoded.ok)
    throw new UsageError(`The API key cannot be decoded. ${decodeFailureMessage[decoded.reason]}`);
  const { id } = decoded.credential;
  const key = await httpTarget(url, apiKey).call<KeyView | undefined>('GET', keyPath(id));
  if (key?.id !== id) throw notControlPlane(url);
  return key;
}
