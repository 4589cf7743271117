import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A host of its own on this machine: a network namespace (network_namespaces(7)), linked to this host by a virtual cable. */
export interface DistantHost {
  /** Address of the distant host, as seen from here. */
  address: string;
  /** Command that runs another command there; it must run as root. */
  enter: readonly string[];
  /** Drops every packet in both directions. Neither kernel sees a closed or unplugged connection. */
  drop(): Promise<void>;
  restore(): Promise<void>;
  remove(): Promise<void>;
}

/** Whether this process may create network namespaces: root with CAP_NET_ADMIN and CAP_SYS_ADMIN, on Linux. */
export async function mayCreateHosts(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  return run('unshare', ['--net', 'true']).then(
    () => true,
    () => false,
  );
}

/** An address that no interface has. */
const NO_INTERFACE = '02:00:00:00:00:99';

/**
 * Creates a distant host. The addresses are from the range for network tests (RFC 2544). The kernel removes the cable with the
 * namespace, so a killed run leaves an empty namespace and nothing else.
 */
export async function createDistantHost(): Promise<DistantHost> {
  const id = randomInt(1, 2 ** 14);
  const name = `iam-test-${process.pid}-${id}`;
  const [near, far] = [`iamn${id}`, `iamf${id}`];
  const network = `198.18.${id >> 8}.${id & 252}`;
  const host = (last: number) => network.replace(/\d+$/, (base) => String(Number(base) + last));
  const [nearAddress, farAddress] = [host(1), host(2)];
  const [nearHardware, farHardware] = ['02:00:00:00:00:01', '02:00:00:00:00:02'];
  const ip = (...args: string[]) => run('ip', args);
  const there = (...args: string[]) => ip('-netns', name, ...args);

  await ip('netns', 'add', name);
  await ip(
    'link',
    'add',
    near,
    'address',
    nearHardware,
    'type',
    'veth',
    'peer',
    'name',
    far,
    'address',
    farHardware,
    'netns',
    name,
  );
  await ip('address', 'add', `${nearAddress}/30`, 'dev', near);
  await ip('link', 'set', near, 'up');
  await there('address', 'add', `${farAddress}/30`, 'dev', far);
  await there('link', 'set', far, 'up');
  await there('link', 'set', 'lo', 'up');

  // A frame to another hardware address is ignored, in silence, as packets on a broken path are.
  const address = async (toFar: string, toNear: string) => {
    await ip('neigh', 'replace', farAddress, 'lladdr', toFar, 'dev', near, 'nud', 'permanent');
    await there('neigh', 'replace', nearAddress, 'lladdr', toNear, 'dev', far, 'nud', 'permanent');
  };
  await address(farHardware, nearHardware);
  return {
    address: farAddress,
    enter: ['nsenter', `--net=/run/netns/${name}`],
    drop: () => address(NO_INTERFACE, NO_INTERFACE),
    restore: () => address(farHardware, nearHardware),
    remove: async () => {
      await ip('netns', 'delete', name);
    },
  };
}
