import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { CLIENT_ADDRESS_HEADER, FORWARDING_SECRET_HEADER } from '../../http/forwarding-headers.ts';
import { endToEndHeaders } from '../../http/hop-by-hop-headers.ts';

/** The path of the call, from its route. The path in the request could lead to other calls of the control plane. */
export function pathOf({ routeOptions, params }: FastifyRequest): string {
  const { id } = params as { id?: string };
  return String(routeOptions.url).replace(':id', encodeURIComponent(id ?? ''));
}

/** The query of a request target, without the fragment that some clients send. */
export function queryOf(url: string): string {
  const [target = ''] = url.split('#');
  return target.split('?').slice(1).join('?');
}

/** The client cannot set the headers of this region. @param secret proves that the call comes from a region */
export function forwardedHeaders(
  request: FastifyRequest,
  { [FORWARDING_SECRET_HEADER]: _secret, [CLIENT_ADDRESS_HEADER]: _address, ...headers }: IncomingHttpHeaders,
  secret: string | undefined,
): IncomingHttpHeaders {
  return {
    ...endToEndHeaders(headers),
    'x-forwarded-for': [headers['x-forwarded-for'], request.raw.socket.remoteAddress]
      .filter(Boolean)
      .join(', '),
    'x-request-id': request.id,
    ...(secret !== undefined && {
      [FORWARDING_SECRET_HEADER]: secret,
      [CLIENT_ADDRESS_HEADER]: request.senderAddress,
    }),
  };
}
