/**
 * What is used of `node:http`. An import of that module reads every export of it, and Node loads an HTTP and WebSocket
 * client of its own when the export for it is read: as much of a start as Node itself.
 */
export const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http');
