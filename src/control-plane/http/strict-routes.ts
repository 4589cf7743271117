import type { FastifyInstance, FastifyRequest, HTTPMethods } from 'fastify';
import fp from 'fastify-plugin';
import type { z } from 'zod';
import { IamError } from '../../errors.ts';
import { refuseMethod } from '../../http/error-rendering.ts';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The only methods of the path, on the route that refuses all others. */
    allow?: string;
  }
}

/** Refuses query parameters that the schema of the route does not have: a misspelt filter would list too much. */
export const refuseUnknownQuery = fp(
  async (app) => {
    app.addHook('preValidation', async (request) => {
      const known = queryNames(request);
      const unknown = Object.keys(request.query as object).filter((name) => !known.includes(name));
      if (unknown.length === 0) return;
      const list =
        known.length === 0 ? 'This call has no query parameters.' : `Use one of: ${known.join(', ')}.`;
      throw new IamError('QUERY_UNKNOWN', {
        problems: unknown.map((name) => ({
          message: `${name}: is not a query parameter of this call. ${list}`,
          fields: [name],
        })),
      });
    });
  },
  { name: 'refuse-unknown-query' },
);

function queryNames(request: FastifyRequest): string[] {
  const schema = request.routeOptions.schema?.querystring as z.ZodObject | undefined;
  return Object.keys(schema?.shape ?? {});
}

/** Registers routes, and refuses all other methods of their paths with 405. */
export function withAllowedMethods(app: FastifyInstance, register: (app: FastifyInstance) => void): void {
  const allowed = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method, config }) => {
    if (config?.allow !== undefined) return;
    const methods = allowed.get(url) ?? new Set();
    for (const name of [method].flat()) methods.add(name);
    allowed.set(url, methods);
  });
  register(app);
  for (const [url, methods] of [...allowed]) {
    const allow = [...methods].toSorted().join(', ');
    app.route({
      url: url.slice(app.prefix.length),
      method: METHODS.filter((name) => !methods.has(name)),
      config: { allow },
      schema: { hide: true },
      handler: async (_request, reply) => refuseMethod(reply, allow),
    });
  }
}
