import type { IncomingHttpHeaders } from 'node:http';

/** Short, and nothing that could be a credential or break a line. */
const OPAQUE_ID = /^[\w.:/-]{1,64}$/;
const TRACE_PARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-/;

/** What a caller calls its request, as ECS fields: so that one id finds the lines of Elasticsearch and ours. */
export function callerFields(headers: IncomingHttpHeaders): Record<string, string> {
  const opaqueId = headers['x-opaque-id'];
  const traceId = TRACE_PARENT.exec(String(headers.traceparent ?? ''))?.[1];
  return {
    ...(typeof opaqueId === 'string' && OPAQUE_ID.test(opaqueId) && { 'labels.opaque_id': opaqueId }),
    ...(traceId !== undefined && { 'trace.id': traceId }),
  };
}
