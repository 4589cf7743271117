#!/usr/bin/env node
import nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';
import { requireNode } from './require-node.js';

// This file and its static imports are JavaScript that an old Node.js can parse, so that the version check can run.
// It is also read before the compile cache is in use; a TypeScript file would load the type stripper at each start.
requireNode();

// Caching compiled code halves the time to ready. The cache is in node_modules, which only the owner of the code can
// write, and not in a directory that all users share.
nodeModule.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
await import('./cli/program.ts');
