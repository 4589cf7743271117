import { Option } from 'commander';
import { parseDuration, parseGracePeriod, parseTtl } from '../control-plane/keys/durations.ts';
import { suggestion } from '../lib/suggestion.ts';
import { UsageError } from './command-failure.ts';

// Options with values that the command line checks itself. Every error names the option and exits with `EXIT.usage`.

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** An option whose value is one of a list. The help and the completion show the list. */
export function choice(flags: string, description: string, values: readonly string[]): Option {
  const option = new Option(flags, description).choices(values);
  return option.argParser((text: string) => oneOf(option.long ?? flags, text, values));
}

export function wholeNumber(
  flags: string,
  description: string,
  { min, max }: { min: number; max: number },
): Option {
  return checked(flags, description, (text, name) => {
    if (/^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max) return text;
    throw invalid(name, `must be a whole number from ${min} to ${max}`, text);
  });
}

/** An option for a time. A duration such as `7d` means so long ago. Its value is in the format of the API. */
export function time(flags: string, description: string, now = Date.now): Option {
  return checked(flags, description, (text, name) => {
    const agoMs = parseDuration(text);
    const timeMs = agoMs === undefined ? (RFC3339.test(text) ? Date.parse(text) : Number.NaN) : now() - agoMs;
    const date = new Date(timeMs);
    if (!Number.isNaN(date.getTime()) && date.getUTCFullYear() > 0) return date.toISOString();
    throw invalid(name, 'must be a time such as 2026-01-01T00:00:00Z, or a duration such as 1h or 7d', text);
  });
}

/** An option for the lifetime of a key. */
export function lifetime(flags: string, description: string): Option {
  return checked(flags, description, (text, name) => {
    const parsed = parseTtl(text);
    if ('problem' in parsed) throw invalid(name, parsed.problem, text);
    return text;
  });
}

/** An option for the grace period of a secret. */
export function gracePeriod(flags: string, description: string): Option {
  return checked(flags, description, (text, name) => {
    const parsed = parseGracePeriod(text);
    if ('problem' in parsed) throw invalid(name, parsed.problem, text);
    return text;
  });
}

export function duration(flags: string, description: string): Option {
  return checked(flags, description, (text, name) => {
    if (parseDuration(text) === undefined) throw invalid(name, 'must be a duration such as "30d"', text);
    return text;
  });
}

/** @param name of the option, for the error @throws {UsageError} with the list, and a suggestion for a misspelt value */
export function oneOf(name: string, text: string, values: readonly string[]): string {
  if (values.includes(text)) return text;
  const similar = suggestion(text, values);
  throw new UsageError(
    `${name} must be one of ${values.join(', ')}, not ${JSON.stringify(text)}.${similar === undefined ? '' : ` Did you mean ${similar}?`}`,
  );
}

/** An option with a check of its own. */
export function checked(
  flags: string,
  description: string,
  parse: (text: string, name: string) => unknown,
): Option {
  const option = new Option(flags, description);
  return option.argParser((text: string) => parse(text, option.long ?? flags));
}

export function invalid(name: string, problem: string, text: string): UsageError {
  return new UsageError(`${name} ${problem}, not ${JSON.stringify(text)}.`);
}
