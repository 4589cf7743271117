import { createServer } from 'node:http';
import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import pg from 'pg';

/**
 * The usual choice in TypeScript: better-auth with its API-key plugin on Postgres, without rate limits, behind a bare
 * node:http server. Its first message contains the created keys.
 *
 * Environment: `PORT`, `DATABASE_URL` (an empty database), `KEYS` (number of keys to create).
 */
const { PORT, DATABASE_URL, KEYS } = process.env;

const options = {
  secret: 'a secret that only the benchmark uses',
  baseURL: `http://127.0.0.1:${PORT}`,
  database: new pg.Pool({ connectionString: DATABASE_URL, max: 8 }),
  rateLimit: { enabled: false },
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  plugins: [apiKey({ rateLimit: { enabled: false } })],
};
const auth = betterAuth(options);
await (await getMigrations(options)).runMigrations();

const { user } = await auth.api.signUpEmail({
  body: { email: 'bench@example.com', password: 'only for the benchmark', name: 'bench' },
});
const keys = [];
for (let index = 0; index < Number(KEYS); index += 1) {
  keys.push((await auth.api.createApiKey({ body: { userId: user.id, name: `key ${index}` } })).key);
}

async function verify(request, response) {
  const key = request.headers.authorization?.slice('ApiKey '.length) ?? '';
  const result = await auth.api.verifyApiKey({ body: { key } });
  const body = JSON.stringify(result);
  response.writeHead(result.valid ? 200 : 401, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

createServer((request, response) => {
  request.on('data', () => {});
  request.on('end', () => void verify(request, response));
}).listen(Number(PORT), '127.0.0.1', () => process.send?.(keys));
process.on('disconnect', () => process.exit());
