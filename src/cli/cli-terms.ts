/** Options that set a field of the API. */
const OPTIONS: Readonly<Record<string, string>> = {
  description: '--description',
  expiration: '--expires',
  grace_period: '--grace',
  expiring_within: '--expiring-within',
  status: '--status',
  kind: '--kind',
  limit: '--limit',
  after: '--after',
  action: '--action',
  outcome: '--outcome',
  actor_id: '--actor',
  target_id: '--target',
  since: '--since',
  until: '--until',
  project_type: 'The project type in --project',
  project_id: 'The project id in --project',
};

/** What the API calls a thing, and what the command line calls it. */
const TERMS: readonly (readonly [api: RegExp, cli: string])[] = [
  [/\?force=true/g, '--force'],
  [/ Add \?status=all to see it\./g, ''],
  [/with an "expiration"/g, 'with --expires'],
  [/, with the same Idempotency-Key/g, ''],
  [
    /^role_assignments: absent, so the key has the same permissions as the caller's key(.*)$/,
    'The key has the same permissions as your key$1.',
  ],
  [
    /^role_assignments\S*: unknown project type (".*"): use one of (.*)$/,
    'The permissions name the unknown project type $1. The types are $2.',
  ],
  [/^role_assignments\.(.+): unknown field ".*"$/, 'The permissions have the unknown field $1.'],
];

/** Field, path below it (of `jsonPath`), and problem. */
const FIELD = /^(\w+)((?:\.[\w…-]+|\[\d+\]|\["(?:[^"\\]|\\.)*"\])*): (.+)$/s;

/** A problem that completes a sentence about its field. */
const PREDICATE = /^(must|works|contains|is|are) /;

/** Rewrites a message of the API for people who use the command line. */
export function inCliTerms(message: string): string {
  const rewritten = TERMS.reduce((text, [api, cli]) => text.replace(api, cli), message);
  const [, field = '', below = '', problem = ''] = FIELD.exec(rewritten) ?? [];
  if (field === 'role_assignments')
    return sentence(
      below === '' ? 'The value of --role-assignments' : `In the permissions, ${below.replace(/^\./, '')}`,
      problem,
    );
  const option = below === '' && Object.hasOwn(OPTIONS, field) ? OPTIONS[field] : undefined;
  return option === undefined ? rewritten : sentence(option, problem);
}

function sentence(subject: string, problem: string): string {
  const verb = PREDICATE.test(problem) ? ' ' : ': ';
  return `${subject}${verb}${problem}${problem.endsWith('.') ? '' : '.'}`;
}
