import { once } from 'node:events';
import { connect } from 'node:net';
import fastify from 'fastify';
import { expect, it } from 'vitest';
import { ClientCertificates } from '../../../src/http/client-certificates.ts';
import { clientConnections } from '../../../src/http/client-connections.ts';
import { ConnectionAges } from '../../../src/http/connection-ages.ts';

it('ends an old connection with its next response, and no younger one', async () => {
  let nowMs = 0;
  const app = fastify();
  await app.register(clientConnections, {
    certificates: new ClientCertificates([]),
    ages: new ConnectionAges(1_000, () => nowMs),
  });
  app.get('/', async (request) => ({ certificate: request.hasClientCertificate }));
  await app.listen({ host: '127.0.0.1', port: 0 });
  const client = connect(Number(new URL(app.listeningOrigin).port), '127.0.0.1');
  const ask = async () => {
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [chunk] = (await once(client, 'data')) as [Buffer];
    return chunk.toString();
  };
  try {
    expect(await ask()).toMatch(/Connection: keep-alive.*"certificate":false/is);
    nowMs = 1_000;
    expect(await ask()).toMatch(/Connection: close.*"certificate":false/is);
    await once(client, 'end');
  } finally {
    client.destroy();
    await app.close();
  }
});

it('a connection that no response has ended counts as one without a certificate some time after its age', async () => {
  let nowMs = 0;
  const app = fastify();
  const certificates = new ClientCertificates([]);
  certificates.accepts = () => true;
  await app.register(clientConnections, { certificates, ages: new ConnectionAges(1_000, () => nowMs) });
  app.get('/', async (request) => ({ certificate: request.hasClientCertificate }));
  await app.listen({ host: '127.0.0.1', port: 0 });
  const client = connect(Number(new URL(app.listeningOrigin).port), '127.0.0.1');
  const ask = async (head: string) => {
    client.write(`${head}\r\n\r\n`);
    const [chunk] = (await once(client, 'data')) as [Buffer];
    return chunk.toString();
  };
  try {
    expect(await ask('GET / HTTP/1.1\r\nHost: x')).toMatch(/"certificate":true/);
    nowMs = 92_000;
    // Node answers this itself and keeps the connection.
    expect(await ask('GET / HTTP/1.1\r\nHost: x\r\nExpect: x')).toMatch(/^HTTP\/1\.1 417 .*keep-alive/is);
    expect(await ask('GET / HTTP/1.1\r\nHost: x')).toMatch(/Connection: close.*"certificate":false/is);
  } finally {
    client.destroy();
    await app.close();
  }
});
