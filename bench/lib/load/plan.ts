/** Input of a load generator. */
export interface LoadPlan {
  port: number;
  /** Complete HTTP/1.1 requests. The generator sends them in turn and starts again after the last. */
  requests: Uint8Array[];
  connections: number;
  /** Length of the measurement, excluding the ramp. */
  seconds?: number;
  /** Number of requests to measure, without a ramp. It replaces `seconds`. */
  count?: number;
  /** Load before the measurement. Default 0.3. */
  rampSeconds?: number;
  /** Open loop: the generator sends at this rate without waiting for responses. If unset: closed loop. */
  ratePerSecond?: number;
}

/** Milliseconds. */
export interface Latencies {
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
}

export interface LoadResult {
  /** Responses within the measured time. */
  responses: number;
  /** Requests sent, including the ramp. */
  sent: number;
  seconds: number;
  perSecond: number;
  latencyMs: Latencies;
  /** Responses by status. */
  statuses: Record<string, number>;
  /** Bytes of the last response, head and body. */
  responseBytes: number;
  /** Open loop: the greatest delay of the generator itself. The latencies exclude it. */
  generatorLateMs: number;
}
