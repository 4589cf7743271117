import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig, settings } from '../../src/config.ts';

/** The message of the refusal. */
function refusal(environment: Record<string, string>, required?: Parameters<typeof loadConfig>[1]): string {
  try {
    loadConfig(environment, required);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error('was accepted');
}

describe('configuration', () => {
  it('has a default for everything that can have one', () => {
    expect(loadConfig({})).toMatchObject({
      LOG_LEVEL: 'info',
      HOST: '127.0.0.1',
      MANAGEMENT_HOST: '127.0.0.1',
      REGIONAL_PORT: 8080,
      CONTROL_PLANE_PORT: 8081,
      MANAGEMENT_PORT: 9090,
      CREDENTIAL_PREFIX: 'essu',
      ACCEPTED_CREDENTIAL_PREFIXES: ['essu'],
      CLIENT_AUTHENTICATION_SECRETS: [],
      ARGON2_MEMORY_KIB: 4096,
      ARGON2_TIME_COST: 1,
      ARGON2_PARALLELISM: 1,
    });
  });

  it('treats an empty variable as unset, as in env files', () => {
    expect(loadConfig({ REGIONAL_PORT: '', TLS_CERT_FILE: '' })).toEqual(loadConfig({}));
  });

  it('ignores variables of other programs', () => {
    expect(loadConfig({ PATH: '/bin', HOME: '/root' })).toEqual(loadConfig({}));
  });

  it('splits lists at commas and drops blanks and empty items', () => {
    const config = loadConfig({
      CLIENT_AUTHENTICATION_SECRETS: 'first-client-secret, second-client-secret,,',
      ACCEPTED_CREDENTIAL_PREFIXES: 'essu,essu_dev',
    });
    expect(config.CLIENT_AUTHENTICATION_SECRETS).toEqual(['first-client-secret', 'second-client-secret']);
    expect(config.ACCEPTED_CREDENTIAL_PREFIXES).toEqual(['essu', 'essu_dev']);
  });

  it('accepts the prefix of new credentials by default', () => {
    expect(loadConfig({ CREDENTIAL_PREFIX: 'essu_dev' }).ACCEPTED_CREDENTIAL_PREFIXES).toEqual(['essu_dev']);
  });

  it.each([
    ['REGIONAL_PORT', '65536'],
    ['REGIONAL_PORT', '80.5'],
    ['REGIONAL_PORT', 'http'],
    ['LOG_LEVEL', 'loud'],
    ['REPLICA_DATABASE_URL', 'mysql://host/db'],
    ['REPLICA_DATABASE_URL', 'host=localhost'],
    ['CREDENTIAL_PREFIX', 'Essu'],
    ['ARGON2_MEMORY_KIB', '7'],
    ['BODY_LIMIT_BYTES', '1'],
    ['CLIENT_AUTHENTICATION_SECRETS', 'fifteen-letters,a-secret-of-enough-characters'],
    ['FORWARDING_SECRETS', 'short'],
  ])('refuses %s=%s and names the setting', (name, value) => {
    expect(refusal({ [name]: value })).toContain(`  ${name}: `);
  });

  it('names every invalid setting in one error', () => {
    const message = refusal({ REGIONAL_PORT: 'x', LOG_LEVEL: 'y', ARGON2_TIME_COST: '0' });
    for (const name of ['REGIONAL_PORT', 'LOG_LEVEL', 'ARGON2_TIME_COST']) expect(message).toContain(name);
  });

  it('names each missing setting of a command and its purpose', () => {
    expect(refusal({}, ['REPLICA_DATABASE_URL'])).toMatch(
      /REPLICA_DATABASE_URL: required; Postgres of the region/,
    );
  });

  it('never repeats the value of a setting, which may be a secret', () => {
    for (const name of Object.keys(settings)) {
      const value = 'S3CRET\u0000value';
      try {
        loadConfig({ [name]: value });
      } catch (error) {
        expect(String(error)).not.toContain('S3CRET');
      }
    }
  });

  it('refuses a webhook URL with credentials, without repeating them', () => {
    const given = (url: string) => ({
      EXPIRY_WEBHOOK_URL: url,
      EXPIRY_WEBHOOK_SECRET: 'a-secret-of-this-test',
    });
    for (const url of ['https://S3CRET@hook/', 'https://user:S3CRET@hook/path', 'https://:S3CRET@hook']) {
      const message = refusal(given(url));
      expect(message).toContain('EXPIRY_WEBHOOK_URL: must not contain a user name or a password');
      expect(message).not.toContain('S3CRET');
    }
    loadConfig(given('https://hook/path?token=S3CRET'));
  });

  it('refuses a bound that would not be honoured', () => {
    expect(refusal({ MAX_STALENESS_MS: '1000' })).toContain(
      'MAX_STALENESS_MS: must be at least REVALIDATE_AFTER_MS',
    );
    loadConfig({ MAX_STALENESS_MS: '1000', REVALIDATE_AFTER_MS: '1000' });
    expect(refusal({ RESPONSE_BUDGET_BYTES: '16777215' })).toContain(
      'RESPONSE_BUDGET_BYTES: must be at least MAX_RESPONSE_BYTES',
    );
    expect(refusal({ BODY_LIMIT_BYTES: '1048576', BODY_BUDGET_BYTES: '2097151' })).toContain(
      'BODY_BUDGET_BYTES: must be at least 2 × BODY_LIMIT_BYTES',
    );
    loadConfig({ BODY_LIMIT_BYTES: '1048576', BODY_BUDGET_BYTES: '2097152' });
  });

  it.each([
    ['CLIENT_AUTHENTICATION_SECRETS', 'names no secret'],
    ['FORWARDING_SECRETS', 'names no secret'],
    ['ACCEPTED_CREDENTIAL_PREFIXES', 'names no prefix'],
  ])('refuses %s without an item: it would refuse every caller', (name, message) => {
    for (const text of [',', ' , ', '\n']) expect(refusal({ [name]: text })).toContain(`${name}: ${message}`);
  });

  it('refuses an accepted prefix that no credential can have', () => {
    expect(refusal({ ACCEPTED_CREDENTIAL_PREFIXES: 'essu,ESSU' })).toContain('lower-case letters');
  });

  it('refuses a database other than 0 of a Redis Cluster', () => {
    const cluster = { REDIS_CLUSTER: 'true', CACHE_KEYS: Buffer.alloc(32).toString('base64') };
    expect(refusal({ ...cluster, REDIS_URL: 'redis://cache:6379/3' })).toContain('only database 0');
    for (const url of ['redis://cache', 'redis://cache/', 'redis://cache/0'])
      loadConfig({ ...cluster, REDIS_URL: url });
  });

  it('requires a key to encrypt what a pod leaves', () => {
    expect(refusal({ HANDOVER_FILE: '/data/memo' })).toContain('CACHE_KEYS: required with HANDOVER_FILE');
    loadConfig({ HANDOVER_FILE: '/data/memo', CACHE_KEYS: Buffer.alloc(32).toString('base64') });
  });

  it('requires certificate and key together, and both for client certificates', () => {
    expect(refusal({ TLS_CERT_FILE: 'a' })).toContain('set both TLS_CERT_FILE and TLS_KEY_FILE');
    expect(refusal({ TLS_KEY_FILE: 'a' })).toContain('set both TLS_CERT_FILE and TLS_KEY_FILE');
    expect(refusal({ TLS_CLIENT_CA_FILE: 'a' })).toContain('TLS_CLIENT_CA_FILE: requires');
  });

  it('requires the names of trusted callers with an authority of client certificates, and none without', () => {
    const tls = { TLS_CERT_FILE: 'a', TLS_KEY_FILE: 'a', TLS_CLIENT_CA_FILE: 'a' };
    expect(refusal(tls)).toContain('CLIENT_CERTIFICATE_NAMES: required with TLS_CLIENT_CA_FILE');
    expect(refusal({ ...tls, CLIENT_CERTIFICATE_NAMES: ' , ' })).toContain(
      'CLIENT_CERTIFICATE_NAMES: required',
    );
    expect(refusal({ ...tls, CLIENT_CERTIFICATE_NAMES: '*.example' })).toContain(
      'only a SPIFFE id may end with /*',
    );
    expect(refusal({ CLIENT_CERTIFICATE_NAMES: 'es' })).toContain('requires TLS_CLIENT_CA_FILE');
    expect(refusal({ TLS_CLIENT_CRL_FILE: 'a' })).toContain(
      'TLS_CLIENT_CRL_FILE: requires TLS_CLIENT_CA_FILE',
    );
    const { CLIENT_CERTIFICATE_NAMES } = loadConfig({
      ...tls,
      CLIENT_CERTIFICATE_NAMES: 'es, spiffe://td/es/*',
    });
    expect(CLIENT_CERTIFICATE_NAMES).toEqual(['es', 'spiffe://td/es/*']);
  });
});

it('every setting has a description', () => {
  for (const schema of Object.values(settings)) expect(schema.description).toMatch(/^[A-Za-z].{10,}\.$/);
});
