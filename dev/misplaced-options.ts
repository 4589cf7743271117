const OPTIONS = ['reset', 'port-base'] as const;

/**
 * Detects options that npm kept for itself because `--` is missing: `npm start --port-base 18080` reaches this process as the
 * environment variable `npm_config_port_base` and the argument `18080`.
 * @returns a sentence with the right command, or `undefined`
 */
export function misplacedOption(environment: NodeJS.ProcessEnv, args: readonly string[]): string | undefined {
  const option = OPTIONS.find((name) => environment[`npm_config_${name.replace('-', '_')}`] !== undefined);
  if (option === undefined || args.some((argument) => argument.startsWith(`--${option}`))) return undefined;
  const value = option === 'port-base' ? ` ${args[0] ?? givenPort(environment)}` : '';
  return `npm kept --${option} for itself. Put "--" before it: npm start -- --${option}${value}`;
}

/** npm stores the value of `--port-base=18080`, but `true` for `--port-base 18080`. */
function givenPort({ npm_config_port_base: value }: NodeJS.ProcessEnv): string {
  return value === undefined || !/^\d+$/.test(value) ? '18080' : value;
}
