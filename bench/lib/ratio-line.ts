import { median, type Pair, percentile, ratio } from './statistics.ts';

/** What the ratios of some pairs come to, in one line: median, quartiles, least and greatest. */
export function ratioLine(what: string, pairs: readonly Pair[]): string {
  const ratios = pairs.map(ratio).sort((a, b) => a - b);
  const [low, middle, high] = [percentile(ratios, 0.25), median(ratios), percentile(ratios, 0.75)];
  const figure = (value: number) => value.toPrecision(4);
  return [
    `${what}: ${middle.toFixed(3)} × (quartiles ${low.toFixed(3)} – ${high.toFixed(3)},`,
    `min ${ratios[0]?.toFixed(3)}, max ${ratios.at(-1)?.toFixed(3)}, ${pairs.length} pairs);`,
    `here ${figure(median(pairs.map(({ subject }) => subject)))}, base ${figure(median(pairs.map(({ baseline }) => baseline)))}`,
  ].join(' ');
}
