import { describe, expect, it } from 'vitest';
import { fromZoned, toZoned } from './zone';

describe('a clock in a zone', () => {
  it('is read and written', () => {
    const at = Date.parse('2026-11-21T17:05:00Z');
    expect(toZoned(at, 'Europe/Paris')).toBe('2026-11-21T18:05');
    expect(toZoned(at, 'Asia/Kolkata')).toBe('2026-11-21T22:35');
    for (const zone of ['UTC', 'Europe/Paris', 'America/New_York', 'Asia/Kolkata', 'Pacific/Auckland']) {
      expect(fromZoned(toZoned(at, zone), zone)).toBe(at);
    }
  });

  it('is right on both sides of a change', () => {
    expect(fromZoned('2026-03-29T01:30', 'Europe/Paris')).toBe(Date.parse('2026-03-29T00:30:00Z'));
    expect(fromZoned('2026-03-29T03:30', 'Europe/Paris')).toBe(Date.parse('2026-03-29T01:30:00Z'));
    expect(fromZoned('2026-10-25T04:00', 'Europe/Paris')).toBe(Date.parse('2026-10-25T03:00:00Z'));
  });

  it('refuses what is no moment', () => {
    expect(
      ['', 'soon', '2026-02-31T10:00Z', '2026-13-01T10:00'].map((text) => fromZoned(text, 'UTC')),
    ).toEqual(Array(4).fill(null));
  });
});
