import { useSyncExternalStore } from 'react';
import { createStore } from './store';
import { preferences } from './preferences';

/** How far the server's clock is ahead of this one's, in milliseconds. */
let ahead = 0;
let known = false;

/** Learns the server's clock from the `Date` header of an answer. It has whole seconds only, so small changes are ignored. */
export function learnClock(date: string | null) {
  const at = date ? Date.parse(date) : NaN;
  if (Number.isNaN(at)) return;
  const offset = at + 500 - Date.now();
  if (known && Math.abs(offset - ahead) < 1500) return;
  ahead = Math.abs(offset) < 1500 ? 0 : offset;
  known = true;
}

/** Now, by the server's clock, in milliseconds. */
export function now(): number {
  return Date.now() + ahead;
}

const tick = createStore(Date.now());
let timer: ReturnType<typeof setInterval> | undefined;
let watchers = 0;

const everySecond = {
  get: tick.get,
  watch: (listener: () => void) => {
    watchers += 1;
    if (!timer) tick.set(Date.now());
    timer ??= setInterval(() => tick.set(Date.now()), 1000);
    const stop = tick.watch(listener);
    return () => {
      stop();
      watchers -= 1;
      if (watchers > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  },
};

/** Draws the component anew each second; what time it is by this computer's clock. */
export function useSecond(): number {
  return useSyncExternalStore(everySecond.watch, everySecond.get);
}

/** Draws the component anew twice a minute: enough for `2 minutes ago` in hundreds of rows. */
export function useHalfMinute(): number {
  return useSyncExternalStore(everySecond.watch, halfMinute) + ahead;
}

function halfMinute(): number {
  return Math.floor(tick.get() / 30_000) * 30_000;
}

/** Draws the component anew each second; what time it is by the server's clock. */
export function useNow(): number {
  return useSecond() + ahead;
}

let browserZone: string | undefined;

export function timeZone(): string {
  browserZone ??= Intl.DateTimeFormat().resolvedOptions().timeZone;
  return preferences.get().timeZone ?? browserZone;
}

/** The language as the browser's region writes it: `en` is `en-GB` for who asks for that. */
function regional(language: string): string {
  return navigator.languages.find((tag) => tag.startsWith(`${language}-`)) ?? language;
}

/** Making one takes longer than drawing a row of a table, so each is made once. */
const formats = new Map<string, Intl.DateTimeFormat>();
const words = new Map<string, Intl.RelativeTimeFormat>();

function formatOf(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const tag = regional(locale);
  const key = [tag, options.dateStyle, options.timeStyle, options.timeZone].join();
  const known = formats.get(key) ?? new Intl.DateTimeFormat(tag, options);
  formats.set(key, known);
  return known;
}

/** `23 Nov 2026, 14:05`, in the person's zone. */
export function moment(at: string | number, locale: string, zone = timeZone(), seconds = false): string {
  const timeStyle = seconds ? 'medium' : 'short';
  return formatOf(locale, { dateStyle: 'medium', timeStyle, timeZone: zone }).format(new Date(at));
}

/** A sentence of the server, with its moments in the person's zone. */
export function withMoments(text: string, locale: string): string {
  return text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\b/g, (at) => moment(at, locale));
}

/** `14:05:09`, in the person's zone. */
export function clock(at: string | number, locale: string): string {
  return formatOf(locale, { timeStyle: 'medium', timeZone: timeZone() }).format(new Date(at));
}

/** `in 3 hours`, `2 minutes ago`. */
export function relative(at: string | number, locale: string, from = now()): string {
  const seconds = Math.round((new Date(at).getTime() - from) / 1000);
  const known = words.get(locale) ?? new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  words.set(locale, known);
  const size = Math.abs(seconds);
  if (size < 45) return known.format(0, 'second');
  if (size < 45 * 60) return known.format(Math.round(seconds / 60), 'minute');
  if (size < 22 * 3600) return known.format(Math.round(seconds / 3600), 'hour');
  return known.format(Math.round(seconds / 86_400), 'day');
}

/** `1:02:03`, `4:05`; days in front as `2 d 1:02:03`. */
export function countdown(milliseconds: number): string {
  const left = Math.max(0, Math.ceil(milliseconds / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const [days, hours, minutes, seconds] = [
    Math.floor(left / 86_400),
    Math.floor(left / 3600) % 24,
    Math.floor(left / 60) % 60,
    left % 60,
  ];
  if (days > 0) return `${days} d ${hours}:${two(minutes)}:${two(seconds)}`;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** Minutes as the API takes and people write them: `90m`, `2h`, `1d`. */
export function durationText(minutes: number): string {
  if (minutes % 1440 === 0) return `${minutes / 1440}d`;
  return minutes % 60 === 0 ? `${minutes / 60}h` : `${minutes}m`;
}

/** `90m`, `2h`, `1d` or a number of minutes, as `reservations::Minutes::parse` reads it; null when it is none. */
export function parseDuration(text: string): number | null {
  const found = /^(\d{1,9})([mhd]?)$/.exec(text.trim());
  if (!found) return null;
  const factor = { '': 1, m: 1, h: 60, d: 1440 }[found[2] ?? ''] ?? 1;
  const minutes = Number(found[1]) * factor;
  return minutes > 0 && minutes <= 0xffff_ffff ? minutes : null;
}
