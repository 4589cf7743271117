import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Path of Chromium: TEST_CHROMIUM, or a binary on the PATH. */
export function findChromium(): string | undefined {
  const { TEST_CHROMIUM, PATH = '' } = process.env;
  if (TEST_CHROMIUM) return TEST_CHROMIUM;
  return PATH.split(delimiter)
    .flatMap((directory) => NAMES.map((name) => join(directory, name)))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
