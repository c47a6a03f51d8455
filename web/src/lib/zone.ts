/** What a clock in `zone` shows, as `2026-11-21T07:05`, for fields of the kind `datetime-local`. */
export function toZoned(at: number, zone: string): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  }).formatToParts(new Date(at));
  const part = (type: string) => parts.find((found) => found.type === type)?.value ?? '';
  return `${part('year')}-${part('month')}-${part('day')}T${part('hour')}:${part('minute')}`;
}

/** The moment at which a clock in `zone` shows that; null when the text is no moment. In a gap: after the gap. */
export function fromZoned(text: string, zone: string): number | null {
  const asUtc = Date.parse(`${text}Z`);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text) || Number.isNaN(asUtc)) return null;
  // The offset is that of the moment sought, which the first guess is near to.
  const offset = (at: number) => Date.parse(`${toZoned(at, zone)}Z`) - at;
  const guess = asUtc - offset(asUtc);
  return asUtc - offset(guess);
}
