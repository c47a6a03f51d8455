import { expect, it } from 'vitest';
import { ROW, Rows } from './rows';

it('rows are found where they stand, folded or not', () => {
  const rows = new Rows(
    500_000,
    new Map([
      [10, 100],
      [3, 50],
      [600_000, 999],
    ]),
  );
  expect(rows.height).toBe(500_000 * ROW + 150);
  for (const index of [0, 2, 3, 4, 9, 10, 11, 499_999]) {
    const top = rows.top(index);
    expect(rows.at(top)).toBe(index);
    expect(rows.at(rows.top(index + 1) - 1)).toBe(index);
  }
  expect(rows.at(-5)).toBe(0);
  expect(rows.at(1e12)).toBe(499_999);
});
