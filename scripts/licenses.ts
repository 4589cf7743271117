/** The used part of package-lock.json. */
export interface PackageLock {
  packages: Readonly<Record<string, { version?: string; license?: string; dev?: boolean }>>;
}

/** Licenses (SPDX) that allow the distribution of the image under Apache-2.0. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
]);

/** One line for each production dependency whose license is missing or not allowed. */
export function licenseProblems({ packages }: PackageLock): string[] {
  return Object.entries(packages)
    .filter(([path, { dev, license }]) => path !== '' && dev !== true && !isAllowed(license))
    .map(
      ([path, { version, license }]) =>
        `${path.replace(/^.*node_modules\//, '')}@${version}: license ${license ?? 'unknown'} is not allowed`,
    );
}

/** Of alternatives, one must be allowed. Other expressions are refused. */
function isAllowed(license: string | undefined): boolean {
  const alternatives = (license ?? '').replace(/^\((.*)\)$/, '$1').split(' OR ');
  return alternatives.some((one) => ALLOWED.has(one));
}
