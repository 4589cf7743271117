import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { authorizationOf, newCredential } from '../keys.ts';
import { projectContext } from '../regional.ts';
import type { Fleet } from './fleet.ts';
import type { Answer, Judge, Question } from './judge.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Name of the custom role whose descriptor contains the current number. */
export const ROLE = 'numbered';
export const PROJECT = 'oracle-project';

const TIMEOUT_MS = 20_000;
/** Below that of the service (docs/operations.md): a request on a connection that the service is closing gets no response. */
const IDLE_MS = 60_000;

/** Clients that send all kinds of credentials to all pods, and have every answer judged. */
export class Traffic {
  readonly #options: { fleet: Fleet; world: World; judge: Judge; random: Random };
  readonly #agent = new Agent({ keepAlive: true, timeout: IDLE_MS });
  readonly #bodies: readonly (string | undefined)[];
  readonly #clients: Promise<void>[] = [];
  #stopped = false;
  #nextAtMs = 0;

  constructor(options: { fleet: Fleet; world: World; judge: Judge; random: Random }) {
    this.#options = options;
    const context = projectContext(PROJECT, options.world.organizationId);
    const other = projectContext('another-project', options.world.organizationId);
    this.#bodies = [[context], [context, other], [context, context]].map((contexts) =>
      JSON.stringify({ contexts }),
    );
  }

  /** Sends every key to every pod once, so that a busy machine does not read them all at the first moment of a fault. */
  async warmUp(): Promise<void> {
    const { fleet, world } = this.#options;
    for (const { secret } of world.keys.values())
      for (const { links } of fleet.pods)
        await this.#send(links.clients.port, secret.authorization, this.#bodies[0]);
  }

  /** @param perSecond calls of all clients together, if the pods are fast enough */
  start(clients: number, perSecond: number): void {
    this.#nextAtMs = performance.now();
    for (let n = 0; n < clients; n += 1) this.#clients.push(this.#client(1_000 / perSecond));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }

  /** Asks one pod, and has the answer judged. */
  async ask(question: Question, pod: number): Promise<string> {
    const { fleet, judge, random } = this.#options;
    const link = fleet.pods[pod]?.links.clients;
    const sentMs = Date.now();
    const answer = await this.#send(link?.port ?? 0, authorizationFor(question), random.pick(this.#bodies));
    judge.judge(question, { pod, sentMs, receivedMs: Date.now() }, answer);
    return answer.outcome;
  }

  async #client(intervalMs: number): Promise<void> {
    const { fleet, world, random } = this.#options;
    while (!this.#stopped) {
      const aheadMs = this.#nextAtMs - performance.now();
      // After a stall the clients do not catch up.
      this.#nextAtMs = Math.max(this.#nextAtMs, performance.now() - 1_000) + intervalMs;
      if (aheadMs > 1) await sleep(aheadMs);
      const offered = fleet.pods.flatMap(({ service }, pod) => (service.isOffered ? [pod] : []));
      if (offered.length === 0) await sleep(10);
      else await this.ask(chooseQuestion(world, random), random.pick(offered));
    }
  }

  #send(port: number, authorization: string, body: string | undefined): Promise<Answer> {
    return new Promise((resolve) => {
      const unanswered = (why: string) => resolve({ outcome: 'unanswered', text: `nothing (${why})` });
      const sent = request({
        port,
        host: '127.0.0.1',
        path: AUTHENTICATE_PATH,
        method: 'POST',
        agent: this.#agent,
        timeout: TIMEOUT_MS,
        headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) },
      });
      sent.once('timeout', () => sent.destroy(new Error(`no response within ${TIMEOUT_MS} ms`)));
      sent.once('error', (error) => unanswered(error.message));
      sent.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => void chunks.push(chunk));
        response.once('error', (error) => unanswered(error.message));
        response.once('end', () => resolve(read(response.statusCode ?? 0, Buffer.concat(chunks).toString())));
      });
      sent.end(body);
    });
  }
}

function chooseQuestion(world: World, random: Random): Question {
  const share = random.next();
  if (share < 0.03) return { kind: 'malformed' };
  if (share < 0.07) return { kind: 'unknown' };
  const secret =
    share < 0.2
      ? world.recentSecret(random)
      : share < 0.3
        ? world.endedSecret(random)
        : world.liveKey(random)?.secret;
  if (secret === undefined) return { kind: 'unknown' };
  return { kind: share > 0.96 ? 'wrong' : 'secret', secret };
}

function authorizationFor(question: Question): string {
  if (question.kind === 'secret') return question.secret.authorization;
  if (question.kind === 'wrong') return authorizationOf({ ...newCredential(), id: question.secret.keyId });
  const unknown = authorizationOf(newCredential());
  return question.kind === 'unknown' ? unknown : `${unknown.slice(0, -2)}!!`;
}

function read(status: number, text: string): Answer {
  const body = JSON.parse(text);
  if (status !== 200) {
    const { code, message } = body.error;
    return { outcome: String(status), text: `${status} ${code} (${message})` };
  }
  const descriptor = body.contexts?.[0]?.role_descriptors?.[ROLE];
  const role = Number(descriptor?.indices?.[0]?.names?.[0]?.slice('number-'.length));
  return { outcome: '200', text: `200 with role ${role}`, keyId: body.credentials.id, role };
}
