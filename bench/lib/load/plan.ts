/** What a load generator is asked to do. */
export interface LoadPlan {
  port: number;
  /** Whole HTTP/1.1 requests, sent in turn, over and over. */
  requests: Uint8Array[];
  connections: number;
  /** Ends after this time, measured after the ramp. */
  seconds?: number;
  /** Ends when this many were answered; no ramp then. */
  count?: number;
  /** Load before the clock starts. Default 0.3. */
  rampSeconds?: number;
  /** Open loop: requests leave at this rate whatever becomes of them. Left out: closed loop. */
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
  /** Answers within the measured time. */
  answered: number;
  /** Requests sent, those of the ramp too. */
  sent: number;
  seconds: number;
  perSecond: number;
  latencyMs: Latencies;
  /** Answers by status. */
  statuses: Record<string, number>;
  /** Bytes of the last answer, head and body. */
  answerBytes: number;
  /** Open loop: how late the generator itself was at worst; not part of the latencies. */
  generatorLateMs: number;
}
