import { expect, it } from 'vitest';
import { suggestion } from '../../../src/lib/suggestion.ts';

const ROLES = ['viewer', 'editor', 'admin', 'soc_manager', 'logs-reader'];

it.each([
  ['veiwer', 'viewer'],
  ['viewr', 'viewer'],
  ['Viewer', 'viewer'],
  ['soc-manager', 'soc_manager'],
  ['logreader', 'logs-reader'],
])('suggests for %s the role %s', (text, expected) => {
  expect(suggestion(text, ROLES)).toBe(expected);
});

it.each(['reporting', 'ed', '', 'administrator'])('suggests nothing for %j', (text) => {
  expect(suggestion(text, ROLES)).toBeUndefined();
});
