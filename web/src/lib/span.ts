/** A length of time in words of the person's language: `2 h`, `1 h 30 min`, `4 days`. */
export function spanText(minutes: number, locale: string): string {
  const unit = (value: number, name: 'day' | 'hour' | 'minute') =>
    new Intl.NumberFormat(locale, {
      style: 'unit',
      unit: name,
      unitDisplay: name === 'day' ? 'long' : 'short',
    }).format(value);
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60];
  const parts = [
    days > 0 && unit(days, 'day'),
    hours > 0 && unit(hours, 'hour'),
    (rest > 0 || minutes === 0) && unit(rest, 'minute'),
  ];
  return parts.filter(Boolean).join(' ');
}

/** A length of time to the second: `8 s`, `1:05`. */
export function tookText(milliseconds: number, locale: string): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) {
    return new Intl.NumberFormat(locale, { style: 'unit', unit: 'second', unitDisplay: 'narrow' }).format(
      seconds,
    );
  }
  const two = (n: number) => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
