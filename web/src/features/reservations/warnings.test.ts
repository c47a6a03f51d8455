import { describe, expect, it } from 'vitest';
import type { ReservationView } from '@/api/schema';
import { due, heardKey } from './warnings';

const end = Date.parse('2026-11-21T18:00:00Z');
const reservation = { id: 'a', expires_at: '2026-11-21T18:00:00Z' } as ReservationView;
const at = (left: number, heard: string[] = [], since = 0) =>
  due([reservation], new Set(heard), since, end - left * 1000).map((one) => one.minutes);

describe('a warning of the end', () => {
  it('is left to the server for some seconds, then said by the page', () => {
    expect(at(15 * 60 + 1)).toEqual([]);
    expect(at(15 * 60 - 19)).toEqual([]);
    expect(at(15 * 60 - 20)).toEqual([15]);
    expect(at(5 * 60 - 30)).toEqual([5]);
    expect(at(41)).toEqual([]);
    expect(at(40)).toEqual([1]);
    expect(at(0)).toEqual([]);
  });

  it('is said once, by whomever', () => {
    expect(at(14 * 60, [heardKey('a', '2026-11-21T18:00:00.000Z', 15)])).toEqual([]);
    expect(at(14 * 60, [heardKey('a', '2026-11-21T17:00:00Z', 15)])).toEqual([15]);
  });

  it('is not made up for on a page that was opened after', () => {
    expect(at(14 * 60, [], end - 14.5 * 60_000)).toEqual([]);
  });
});
