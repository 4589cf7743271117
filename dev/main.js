import { fileURLToPath } from 'node:url';
import { requireNodeVersion } from '../src/node-version.js';

requireNodeVersion();
// As in src/main.js.
const { enableCompileCache } = await import('node:module');
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
await import('./command.ts');
