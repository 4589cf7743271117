import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';
import { AUTHENTICATE_PATH } from '../../src/regional/authentication-call.ts';
import { authorizationOf, newCredential } from './keys.ts';
import type { StormOrder, StormReport } from './storm.ts';

// Runs in a worker thread, so that the service's event loop is not measured with the load of the clients.
const order = workerData as StormOrder;
const agent = new Agent({ keepAlive: true, maxSockets: order.clients });
const report: StormReport = { outcomes: {}, shed: [], sheddingWithoutRetryAfter: 0, timesMs: [] };
let stopping = false;
parentPort?.once('message', () => {
  stopping = true;
});

function call(authorization: string): Promise<void> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(`${order.url}${AUTHENTICATE_PATH}`, {
      method: 'POST',
      agent,
      headers: { authorization },
    });
    sent.once('error', reject);
    sent.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => {
        report.timesMs.push(performance.now() - begun);
        const { statusCode = 0 } = response;
        const outcome = statusCode === 200 ? '200' : `${statusCode} ${JSON.parse(text).error.code}`;
        report.outcomes[outcome] = (report.outcomes[outcome] ?? 0) + 1;
        if (statusCode === 503) report.shed.push(authorization);
        if (statusCode === 503 && !(Number(response.headers['retry-after']) >= 1))
          report.sheddingWithoutRetryAfter += 1;
        resolve();
      });
    });
    sent.end();
  });
}

/** The credentials to send, in order. */
function* authorizations(): Generator<string> {
  if (order.kind === 'each') yield* order.authorizations;
  else if (order.kind === 'wrong') {
    for (let nth = 0; nth < order.count; nth += 1)
      yield authorizationOf({ ...newCredential(), id: order.ids[nth % order.ids.length] as string });
  } else while (!stopping) yield* order.authorizations;
}

const queue = authorizations();
async function client(): Promise<void> {
  for (let next = queue.next(); next.done !== true && !stopping; next = queue.next()) {
    await call(next.value);
    if (order.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, order.pauseMs));
  }
}

await Promise.all(Array.from({ length: order.clients }, client));
agent.destroy();
parentPort?.postMessage(report);
parentPort?.close();
