/** Parses the Prometheus text format into a map from `name{labels}`, as written, to the value. */
export function parseMetrics(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const end = line.lastIndexOf(' ');
    values.set(line.slice(0, end), Number(line.slice(end + 1)));
  }
  return values;
}

/** Calls to `_authenticate` by tier. */
function requestsByTier(metrics: ReadonlyMap<string, number>): Record<string, number> {
  const tiers: Record<string, number> = {};
  for (const [name, value] of metrics) {
    if (!name.startsWith('iam_authentication_requests_total{')) continue;
    const tier = /tier="(\w+)"/.exec(name)?.[1] ?? 'unknown';
    tiers[tier] = (tiers[tier] ?? 0) + value;
  }
  return tiers;
}

/** Share of the calls between two readings that came from a tier. */
export function tierShare(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  tier: string,
): number {
  const [earlier, later] = [requestsByTier(before), requestsByTier(after)];
  const added = Object.keys(later).map((name) => ({
    name,
    count: (later[name] ?? 0) - (earlier[name] ?? 0),
  }));
  const total = added.reduce((sum, { count }) => sum + count, 0);
  return total === 0 ? 0 : (added.find(({ name }) => name === tier)?.count ?? 0) / total;
}
