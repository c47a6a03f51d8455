import { expect, it } from 'vitest';
import { spanText, tookText } from './span';

it('lengths of time are told in the largest units that fit', () => {
  expect([0, 5, 60, 90, 1440, 2970].map((minutes) => spanText(minutes, 'en'))).toEqual([
    '0 min',
    '5 min',
    '1 hr',
    '1 hr 30 min',
    '1 day',
    '2 days 1 hr 30 min',
  ]);
  expect([400, 8000, 65_000, 3_723_000].map((ms) => tookText(ms, 'en'))).toEqual([
    '0s',
    '8s',
    '1:05',
    '1:02:03',
  ]);
});
