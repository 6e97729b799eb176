// Round numbers along an axis.

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
const DAY_S = 86_400;
const NEAR = 1e-9; // of a step: what is lost in the last digits
const DECADES = 6; // of a logarithmic axis; of more, some are told

/**
 * Round numbers that divide a range.
 * @param {number} low
 * @param {number} high
 * @param {number} count  about how many
 */
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? rough;
  return multiples(low, high, step);
}

/**
 * Powers of ten; where there are few, numbers between them, too.
 * @param {number} low  above zero
 * @param {number} high
 */
export function logTicks(low, high) {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const skip = Math.max(1, Math.ceil((to - from) / DECADES));
  const found = [];
  for (let power = Math.ceil(from / skip) * skip; power <= to; power += skip) for (const each of to - from <= 2 ? [1, 2, 5] : [1]) found.push(Number(`${each}e${power}`));
  const within = found.filter((each) => each >= low && each <= high);
  return within.length > 1 ? within : ticks(low, high, 4);
}

/**
 * Seconds at round minutes, hours and days.
 * @param {number} low
 * @param {number} high
 * @param {number} count  at most about so many
 * @param {number} behind  seconds that the clock is behind UTC
 */
export function timeTicks(low, high, count, behind = 0) {
  const rough = (high - low) / count;
  if (rough < 1) return ticks(low, high, count);
  const step = STEPS_S.find((each) => each >= rough) ?? Math.ceil(rough / DAY_S) * DAY_S;
  return multiples(low - behind, high - behind, step).map((each) => each + behind);
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} step
 */
function multiples(low, high, step) {
  const found = [];
  for (let at = Math.ceil(low / step - NEAR); at <= high / step + NEAR; at++) found.push(Number((at * step).toPrecision(12)));
  return found;
}
