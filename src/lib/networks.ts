import { BlockList, isIP } from 'node:net';

/** Names for private networks. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

const BITS = { 4: 32, 6: 128 } as const;

/** Whether a text is an address, a network in CIDR notation, or `loopback`, `linklocal` or `uniquelocal`. */
export function isNetwork(text: string): boolean {
  return Object.hasOwn(NAMED, text) || parsed(text) !== undefined;
}

/** A set of addresses and networks. */
export class Networks {
  readonly #list = new BlockList();

  /** @param texts each valid for `isNetwork` */
  constructor(texts: readonly string[]) {
    for (const text of texts.flatMap((name) => NAMED[name] ?? name)) {
      const network = parsed(text);
      if (network === undefined) throw new TypeError('not a network');
      this.#list.addSubnet(network.address, network.length, network.family);
    }
  }

  /** An IPv4 address that is mapped into IPv6 counts as the IPv4 address. Text that is no address is in no network. */
  has(address: string): boolean {
    const [plain = ''] = address.split('%');
    const version = isIP(plain);
    return version !== 0 && this.#list.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  }
}

function parsed(text: string) {
  const [address = '', length, ...rest] = text.split('/');
  const version = isIP(address) as 0 | 4 | 6;
  if (version === 0 || rest.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length)))
    return undefined;
  const bits = length === undefined ? BITS[version] : Number(length);
  if (bits > BITS[version]) return undefined;
  return { address, length: bits, family: version === 4 ? 'ipv4' : 'ipv6' } as const;
}
