#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Before anything of ours is loaded: compiled code of the last start, types stripped, halves the time to ready. Beside the
// packages, where only who may change the code may write, and not in a directory that all users share.
//
// This file alone is JavaScript: it is read before the cache is in use, and for a file with types Node would load the
// compiler that strips them, at each start.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
await import('./cli/program.ts');
