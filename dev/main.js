import nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';
import { requireNode } from '../src/require-node.js';

// As in src/main.js: the version check first, then the compile cache, then TypeScript.
requireNode();
nodeModule.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
await import('./command.ts');
