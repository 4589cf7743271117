import { once } from 'node:events';
import { createServer } from 'node:net';

export interface NamedPort {
  /** For messages: `control plane`. */
  name: string;
  port: number;
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen({ port, host: '127.0.0.1', exclusive: true });
    await once(probe, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    probe.close();
  }
}

/** @throws Error that names every port in use, its purpose, and the option that moves all ports */
export async function assertPortsFree(ports: readonly NamedPort[]): Promise<void> {
  const free = await Promise.all(ports.map(({ port }) => isFree(port)));
  const taken = ports.filter((_, index) => !free[index]).map(({ name, port }) => `${port} (${name})`);
  if (taken.length === 0) return;
  const what = taken.length === 1 ? `Port ${taken[0]} is` : `Ports ${taken.join(', ')} are`;
  throw new Error(
    `${what} already in use. Stop the process that listens there, or move all ports: npm start -- --port-base 18080`,
  );
}

const handedOut = new Set<number>();

/**
 * Finds a free loopback port for a test, never the same twice per process. It is below the kernel's ephemeral range
 * (32768 and up on Linux), so no outgoing connection takes it before the server listens.
 */
export async function freePort(random: () => number = Math.random): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 15_000 + Math.floor(random() * 17_000);
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error('No free port between 15000 and 32000 on 127.0.0.1.');
}
