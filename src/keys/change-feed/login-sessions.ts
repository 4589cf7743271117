import type { Logger } from 'pino';

/** No statement of a pod takes this long: timeouts end it before. */
const MAX_TRANSACTION_SECONDS = 60;
/** A statement of a pod holds fewer than 30. All sessions share one table of locks, and replication needs a place in it. */
const MAX_LOCKS = 100;
/** How long the pod waits for the end of each, since its next statement may need the locks. */
const END_WITHIN_MS = 500;

/** What the login of this pod does to the server, as just measured. */
export interface LoginSessions {
  /** Sessions that this measurement has ended. */
  ended: number;
  /** Used share of the server's queue of notifications, 0 to 1. From a half on, the region sends none. */
  notifyQueueUsage: number;
}

/**
 * Ends the sessions of this login that can hold up the server: in long transactions, or with many locks. A login may end its own
 * sessions, in every database of the server. It ends none if the login may also change data: `iam migrate` may use the same one.
 *
 * It must work when the server has no more locks: the views would need more than a session has places of its own.
 */
export const endBlockingSessions = (maxTransactionSeconds = MAX_TRANSACTION_SECONDS) => `
  SELECT count(pg_terminate_backend(pid, ${END_WITHIN_MS}))::int AS ended, pg_notification_queue_usage() AS usage
  FROM pg_stat_get_activity(NULL)
  WHERE usesysid = quote_ident(session_user)::regrole AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND NOT has_table_privilege('public.api_keys', 'UPDATE')
    AND (xact_start < clock_timestamp() - interval '${maxTransactionSeconds} s'
      OR pid IN (SELECT pid FROM pg_lock_status() GROUP BY pid HAVING count(*) > ${MAX_LOCKS}))`;

/** Counts the sessions that were ended, and reports them: a pod has no such session, so the login may be stolen. */
export class LoginWatch {
  readonly #logger: Logger;
  ended = 0;
  /** `undefined` before the first measurement. */
  notifyQueueUsage: number | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  observe({ ended, notifyQueueUsage }: LoginSessions): void {
    this.notifyQueueUsage = notifyQueueUsage;
    this.ended += ended;
    if (ended === 0) return;
    this.#logger.error(
      { ended_sessions: ended },
      `ended sessions of the login of this service: they were in a transaction for more than ${MAX_TRANSACTION_SECONDS} s, or held more than ${MAX_LOCKS} locks; no pod does this (docs/operations.md, A stolen login)`,
    );
  }
}
