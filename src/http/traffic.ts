import type { Socket } from 'node:net';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Config } from '../config.ts';
import { BodyBudget } from './body-budget.ts';
import { ClientAddresses } from './client-addresses.ts';
import { ClientCertificates } from './client-certificates.ts';
import { ConnectionAges } from './connection-ages.ts';
import { ConnectionLimits } from './connection-limits.ts';
import { NodeConnections } from './node-connections.ts';
import { ResponseBudget } from './response-budget.ts';

/** Why a request or connection was refused although it may be valid. A metric label. */
const REASONS = [
  'body_budget',
  'body_timeout',
  'connections',
  'connections_per_address',
  'request_rate',
  'response_budget',
] as const;
type Reason = (typeof REASONS)[number];

/** What all connections of a process share: who their clients are, and how much they may use. */
export class Traffic {
  readonly addresses: ClientAddresses;
  readonly certificates: ClientCertificates;
  readonly ages: ConnectionAges;
  readonly bodies: BodyBudget;
  readonly responses: ResponseBudget;
  readonly nodeConnections: NodeConnections;
  readonly #connections: ConnectionLimits;
  readonly #refusals: Counter<'reason'>;
  readonly certificateExpiry: Gauge<'setting'>;
  readonly crlExpiry: Gauge<'setting'>;

  constructor(config: Config, registry: Registry) {
    const registers = [registry];
    const connections = new ConnectionLimits({
      max: config.MAX_CONNECTIONS,
      maxPerClient: config.MAX_CONNECTIONS_PER_ADDRESS,
    });
    this.#connections = connections;
    this.addresses = new ClientAddresses(config.TRUSTED_PROXIES);
    this.certificates = new ClientCertificates(config.CLIENT_CERTIFICATE_NAMES);
    this.ages = new ConnectionAges(config.MAX_CONNECTION_AGE_MS);
    this.nodeConnections = new NodeConnections(this.ages);
    const bodies = new BodyBudget(config.BODY_BUDGET_BYTES);
    this.bodies = bodies;
    const responses = new ResponseBudget({
      maxBytes: config.RESPONSE_BUDGET_BYTES,
      onRefused: () => this.refused('response_budget'),
    });
    this.responses = responses;
    this.#refusals = new Counter({
      name: 'iam_traffic_refusals_total',
      help: 'Connections and requests refused beyond a limit: body_budget (BODY_BUDGET_BYTES), body_timeout (BODY_TIMEOUT_MS), connections (MAX_CONNECTIONS), connections_per_address (MAX_CONNECTIONS_PER_ADDRESS), request_rate (REGIONAL_RATE_LIMIT_PER_MINUTE), response_budget (RESPONSE_BUDGET_BYTES).',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of REASONS) this.#refusals.inc({ reason }, 0);
    this.certificateExpiry = new Gauge({
      name: 'iam_certificate_expiry_timestamp_seconds',
      help: 'Time at which the certificate that new connections use expires, in seconds since 1970. Absent without TLS.',
      labelNames: ['setting'],
      registers,
    });
    this.crlExpiry = new Gauge({
      name: 'iam_crl_expiry_timestamp_seconds',
      help: 'Time at which the first revocation list of TLS_CLIENT_CRL_FILE expires (nextUpdate), in seconds since 1970. Absent without one.',
      labelNames: ['setting'],
      registers,
    });
    new Gauge({
      name: 'iam_body_bytes',
      help: 'Memory of request bodies in flight that counts towards BODY_BUDGET_BYTES.',
      registers,
      collect() {
        this.set(bodies.bytes);
      },
    });
    new Gauge({
      name: 'iam_response_bytes',
      help: 'Responses that are built or unread, as far as they count towards RESPONSE_BUDGET_BYTES.',
      registers,
      collect() {
        this.set(responses.bytes);
      },
    });
    new Gauge({
      name: 'iam_connections',
      help: 'Open connections of clients, which count towards MAX_CONNECTIONS.',
      registers,
      collect() {
        this.set(connections.open);
      },
    });
  }

  /** Counts a new connection until it closes. @returns whether it is within the limits; if not, it counts as a refusal */
  admit(socket: Socket): boolean {
    const peer = this.addresses.peerOf(socket);
    const exceeded = this.#connections.add(peer);
    if (exceeded === undefined) socket.once('close', () => this.#connections.close(peer));
    else this.refused(exceeded);
    return exceeded === undefined;
  }

  /** Must be called once the connection can carry requests: after the handshake, if it has TLS. */
  begin(socket: Socket): void {
    // At once: a client could present another certificate later (renegotiation).
    this.certificates.accepts(socket);
    this.ages.start(socket);
  }

  /** Counts a refusal. */
  refused(reason: Reason): void {
    this.#refusals.inc({ reason });
  }
}
