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

  it('takes an empty variable for an absent one, as env files write it', () => {
    expect(loadConfig({ REGIONAL_PORT: '', TLS_CERT_FILE: '' })).toEqual(loadConfig({}));
  });

  it('ignores variables of others', () => {
    expect(loadConfig({ PATH: '/bin', HOME: '/root' })).toEqual(loadConfig({}));
  });

  it('splits lists at commas, without blanks and empty items', () => {
    const config = loadConfig({
      CLIENT_AUTHENTICATION_SECRETS: 'one, two,,',
      ACCEPTED_CREDENTIAL_PREFIXES: 'essu,essu_dev',
    });
    expect(config.CLIENT_AUTHENTICATION_SECRETS).toEqual(['one', 'two']);
    expect(config.ACCEPTED_CREDENTIAL_PREFIXES).toEqual(['essu', 'essu_dev']);
  });

  it('accepts the prefix it writes unless told otherwise', () => {
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
  ])('refuses %s=%s by name', (name, value) => {
    expect(refusal({ [name]: value })).toContain(`  ${name}: `);
  });

  it('names everything that is wrong at once', () => {
    const message = refusal({ REGIONAL_PORT: 'x', LOG_LEVEL: 'y', ARGON2_TIME_COST: '0' });
    for (const name of ['REGIONAL_PORT', 'LOG_LEVEL', 'ARGON2_TIME_COST']) expect(message).toContain(name);
  });

  it('names what a command needs and has not got, and what it is for', () => {
    expect(refusal({}, ['REPLICA_DATABASE_URL'])).toMatch(
      /REPLICA_DATABASE_URL: required; Postgres of the region/,
    );
  });

  it('never repeats the value of a setting: it may be a secret in the wrong place', () => {
    for (const name of Object.keys(settings)) {
      const value = 'S3CRET\u0000value';
      try {
        loadConfig({ [name]: value });
      } catch (error) {
        expect(String(error)).not.toContain('S3CRET');
      }
    }
  });

  it('wants certificate and key together, and both for client certificates', () => {
    expect(refusal({ TLS_CERT_FILE: 'a' })).toContain('set both TLS_CERT_FILE and TLS_KEY_FILE');
    expect(refusal({ TLS_KEY_FILE: 'a' })).toContain('set both TLS_CERT_FILE and TLS_KEY_FILE');
    expect(refusal({ TLS_CLIENT_CA_FILE: 'a' })).toContain('TLS_CLIENT_CA_FILE: requires');
  });
});

it('every setting says what it is for', () => {
  for (const schema of Object.values(settings)) expect(schema.description).toMatch(/^[A-Za-z].{10,}\.$/);
});
