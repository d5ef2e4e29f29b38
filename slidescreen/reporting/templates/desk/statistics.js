// The differential of the reviewed cells: counts, percentages, exact limits.

const TAIL = 0.025;


/** P(X <= count) of a binomial distribution. */
function atMost(count, n, p) {
  if (p <= 0) return 1;
  if (p >= 1) return count >= n ? 1 : 0;
  let sum = 0;
  let term = n * Math.log1p(-p);
  const step = Math.log(p) - Math.log1p(-p);
  for (let k = 0; k <= count; k += 1) {
    sum += Math.exp(term);
    term += Math.log((n - k) / (k + 1)) + step;
  }
  return Math.min(1, sum);
}

/** Where a falling function of p, 0 to 1, crosses a value. */
function crossing(falling, value) {
  let [low, high] = [0, 1];
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2;
    if (falling(middle) > value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Exact 95% limits (Clopper and Pearson) of a count of n, in percent. */
function exactLimits(count, n) {
  const low = count === 0 ? 0 : crossing((p) => atMost(count - 1, n, p), 1 - TAIL);
  const high = count === n ? 1 : crossing((p) => atMost(count, n, p), TAIL);
  return [100 * low, 100 * high];
}

/** The differential of cell types, one of each cell: for each row of the table its count, percentage and limits. */
function differentialOf(types) {
  const tally = new Map();
  for (const type of types) tally.set(type, (tally.get(type) ?? 0) + 1);
  const sum = (members) => members.reduce((all, type) => all + (tally.get(type) ?? 0), 0);
  const leukocytes = sum(night.leukocytes);
  const shareOf = (name) => {
    const count = sum(night.groups[name] ?? [name]);
    const [low, high] = leukocytes ? exactLimits(count, leukocytes) : [null, null];
    return { count, percent: leukocytes ? (100 * count) / leukocytes : null, low, high };
  };
  const shares = Object.fromEntries(night.rows.map((name) => [name, shareOf(name)]));
  return { leukocytes, unidentified: tally.get(UNIDENTIFIED) ?? 0, shares };
}
