import { describe, expect, it } from 'vitest';
import { countdown, durationText, parseDuration } from './time';

describe('durations', () => {
  it('are read as the server reads them', () => {
    expect(['90', '90m', '2h', '1d', ' 5 '].map(parseDuration)).toEqual([90, 90, 120, 1440, 5]);
    expect(['', '0', '0h', '1.5h', '-5', '2w', '9999999999', '4000000000h'].map(parseDuration)).toEqual(
      Array(8).fill(null),
    );
  });

  it('are written the shortest way', () => {
    expect([90, 120, 1440, 2880, 1441].map(durationText)).toEqual(['90m', '2h', '1d', '2d', '1441m']);
  });

  it('survive being written and read', () => {
    for (const minutes of [1, 59, 60, 61, 1439, 1440, 20160]) {
      expect(parseDuration(durationText(minutes))).toBe(minutes);
    }
  });
});

describe('a countdown', () => {
  it('shows days only when there are some, and never goes below zero', () => {
    expect(countdown(3_723_000)).toBe('1:02:03');
    expect(countdown(65_000)).toBe('1:05');
    expect(countdown(90_061_000)).toBe('1 d 1:01:01');
    expect(countdown(-5000)).toBe('0:00');
  });
});
