import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Opens a connection from an address of this host. */
export async function connectFrom(url: string, localAddress: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, localAddress });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** The status of the next response on a connection; `undefined` if the server closes it without one. */
export async function nextStatus(socket: Socket): Promise<number | undefined> {
  const closed = once(socket, 'close').then(() => undefined);
  const text = await Promise.race([once(socket, 'data').then(([chunk]) => String(chunk)), closed]);
  return text === undefined ? undefined : Number(text.split(' ')[1]);
}

/** The value of one metric of a service. */
export async function metricOf({ managementUrl }: { managementUrl: string }, name: string): Promise<number> {
  const text = await (await fetch(`${managementUrl}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1) ?? Number.NaN);
}
