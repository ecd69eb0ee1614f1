// Several lists on one line of time.

// The moment from which on all lists are whole, null when they are from the beginning. Lists are
// `[times, isWhole]`.
export function cutOff(lists) {
  const ends = lists.filter(([, isWhole]) => !isWhole).map(([times]) => Math.min(...times));
  return ends.length === 0 ? null : Math.max(...ends);
}
