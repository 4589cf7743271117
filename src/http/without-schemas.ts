import type { FastifyServerOptions } from 'fastify';

const refuse = () => {
  throw new Error('the routes of this server have no schemas');
};

/** Options for a server whose routes have no JSON Schemas: else Fastify loads two compilers for them, a hundred files. */
export const withoutSchemas = {
  schemaController: { compilersFactory: { buildValidator: refuse, buildSerializer: refuse } },
} as const satisfies FastifyServerOptions;
