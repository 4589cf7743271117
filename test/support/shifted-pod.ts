import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { controlPlaneSettings } from './control-plane.ts';
import { regionalSettings } from './regional.ts';

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const shiftedClock = new URL('./shifted-clock.ts', import.meta.url).href;

/** A service in a process of its own, whose clock the test sets. */
export interface ShiftedPod {
  url: string;
  managementUrl: string;
  /** Every log line so far. */
  logLines: string[];
  setClock(offsetMs: number): Promise<void>;
  readonly pid: number;
  /** SIGTERM. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts a regional service whose clock differs from the real one; resolves when it listens.
 * @param offsetMs positive: the clock is ahead
 */
export function startShiftedPod(
  offsetMs: number,
  replicaUrl: string,
  settings: Record<string, string>,
): Promise<ShiftedPod> {
  return startShifted('regional', offsetMs, { ...regionalSettings(replicaUrl), ...settings });
}

/** As `startShiftedPod`, for a control plane. @param primaryUrl of the login of the control plane */
export function startShiftedControlPlane(
  offsetMs: number,
  primaryUrl: string,
  settings: Record<string, string> = {},
): Promise<ShiftedPod> {
  return startShifted('control-plane', offsetMs, { ...controlPlaneSettings(primaryUrl), ...settings });
}

async function startShifted(
  service: 'regional' | 'control-plane',
  offsetMs: number,
  settings: Record<string, string>,
): Promise<ShiftedPod> {
  const directory = await mkdtemp(join(tmpdir(), 'iam-clock-'));
  const file = join(directory, 'offset');
  const setClock = async (newOffsetMs: number) => {
    // The process must never read a file that is half written.
    await writeFile(`${file}.new`, String(newOffsetMs));
    await rename(`${file}.new`, file);
  };
  await setClock(offsetMs);
  const child = spawn(process.execPath, ['--import', shiftedClock, main, service], {
    env: {
      PATH: process.env.PATH,
      SHIFTED_CLOCK_FILE: file,
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const end = (signal: NodeJS.Signals) => async () => {
    child.kill(signal);
    await exited;
    await rm(directory, { recursive: true, force: true });
  };
  const logLines: string[] = [];
  const urls = await new Promise<{ url: string; managementUrl: string }>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      logLines.push(line);
      const [, url, managementUrl] = /listening on (\S+), management on ([^\s"]+)/.exec(line) ?? [];
      if (url !== undefined && managementUrl !== undefined) resolve({ url, managementUrl });
    });
    void exited.then(() => reject(new Error('the pod exited before it listened')));
  });
  return {
    ...urls,
    logLines,
    setClock,
    pid: child.pid as number,
    stop: end('SIGTERM'),
    kill: end('SIGKILL'),
  };
}
