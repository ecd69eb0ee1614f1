// Days of the user, as fields of dates have them ("2026-05-01"), and their moments in ms.

// A day goes from here on,
export const dayStart = (day) => new Date(`${day}T00:00:00`).getTime();

// and until before here; not every day has 24 hours.
export function dayEnd(day) {
  const at = new Date(dayStart(day));
  return at.setDate(at.getDate() + 1);
}
