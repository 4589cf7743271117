/** Node.js 24 runs TypeScript without flags and has every API that this code uses; older versions fail with a SyntaxError. */
const REQUIRED_MAJOR = 24;

/**
 * Returns why a Node.js version is too old, or `undefined`.
 * @param {string} version such as `20.20.2`
 */
export function nodeVersionProblem(version) {
  if (Number.parseInt(version, 10) >= REQUIRED_MAJOR) return undefined;
  return `Node.js ${REQUIRED_MAJOR} or newer is required; this is ${version}. In a clone, "npm ci" installs it and npm scripts use it ("npm start").`;
}

/** Ends the process with exit code 2 if its Node.js is too old. JavaScript, since an old Node.js must be able to parse it. */
export function requireNodeVersion() {
  const problem = nodeVersionProblem(process.versions.node);
  if (problem === undefined) return;
  process.stderr.write(`error: ${problem}\n`);
  process.exit(2);
}
