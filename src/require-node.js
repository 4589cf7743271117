/** The oldest major version of Node.js that the tests cover. package.json `engines` states the same. */
export const MINIMUM_NODE_MAJOR = 24;

/**
 * @param {string} version such as `20.20.2`
 * @returns {string | undefined} what to tell the user of a Node.js that is too old
 */
export function nodeVersionProblem(version) {
  if (Number.parseInt(version, 10) >= MINIMUM_NODE_MAJOR) return undefined;
  return `Node.js ${MINIMUM_NODE_MAJOR} or later is required, but this is Node.js ${version}.`;
}

/**
 * Exits with the code for wrong use when this Node.js is too old to load the program. A module that calls this must be
 * JavaScript and must import the rest of the program dynamically: an old Node.js cannot parse it.
 */
export function requireNode() {
  const problem = nodeVersionProblem(process.versions.node);
  if (problem === undefined) return;
  process.stderr.write(`error: ${problem}\n`);
  process.exit(2);
}
