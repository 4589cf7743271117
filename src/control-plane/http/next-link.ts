import type { FastifyReply, FastifyRequest } from 'fastify';

/** Adds the link to the next page (RFC 8288), relative to the server, with the filters of this request. */
export function linkNext<Page extends { next?: string | undefined }>(
  request: FastifyRequest,
  reply: FastifyReply,
  page: Page,
): Page {
  if (page.next === undefined) return page;
  const [path = '', query] = request.url.split('?');
  const parameters = new URLSearchParams(query);
  parameters.set('after', page.next);
  reply.header('link', `<${path}?${parameters}>; rel="next"`);
  return page;
}
