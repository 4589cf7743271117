#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { requireNodeVersion } from './node-version.js';

requireNodeVersion();
// The compile cache halves the time to ready. It is in node_modules, where only the owner of the code may write, not in a shared
// directory. This file is JavaScript: a TypeScript file here would load Node's type stripper at every start.
const { enableCompileCache } = await import('node:module');
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
await import('./cli/program.ts');
