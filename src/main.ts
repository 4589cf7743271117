#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Before anything of ours is loaded: compiled code of the last start, types stripped, halves the time to ready. Beside the
// packages, where only who may change the code may write, and not in a directory that all users share.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
await import('./cli/program.ts');
