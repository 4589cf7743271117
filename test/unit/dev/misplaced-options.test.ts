import { expect, it } from 'vitest';
import { misplacedOption } from '../../../dev/misplaced-options.ts';

it.each([
  [{ npm_config_port_base: 'true' }, ['1'], 'npm start -- --port-base 1'],
  [{ npm_config_port_base: '18080' }, [], 'npm start -- --port-base 18080'],
  [{ npm_config_reset: 'true' }, [], 'npm start -- --reset'],
])('suggests the missing "--" for %j %j', (environment, args, command) => {
  expect(misplacedOption(environment, args)).toMatch(new RegExp(`${command}$`));
});

it('accepts options behind "--"', () => {
  expect(misplacedOption({}, ['--port-base', '18080', '--reset'])).toBeUndefined();
  expect(misplacedOption({ npm_config_reset: 'true' }, ['--reset'])).toBeUndefined();
});
