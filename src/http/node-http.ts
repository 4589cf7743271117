/**
 * The used parts of `node:http`. An `import` of that module reads all of its exports, and reading some of them makes Node
 * load its HTTP and WebSocket client. That takes as long as the start of Node itself.
 */
export const { createServer, request, STATUS_CODES } = process.getBuiltinModule('node:http');
