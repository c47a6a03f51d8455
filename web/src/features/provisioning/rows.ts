/** The height of a line of the log. */
export const ROW = 24;

/** Where rows of one height stand, some of which are unfolded. Costs nothing by the number of rows. */
export class Rows {
  private readonly open: [index: number, extra: number][];

  constructor(
    readonly count: number,
    unfolded: ReadonlyMap<number, number>,
  ) {
    this.open = [...unfolded].filter(([index]) => index < count).sort((a, b) => a[0] - b[0]);
  }

  /** The whole height. */
  get height(): number {
    return this.top(this.count);
  }

  /** Where a row begins. */
  top(index: number): number {
    let top = index * ROW;
    for (const [at, extra] of this.open) {
      if (at >= index) break;
      top += extra;
    }
    return top;
  }

  /** The row at a height. */
  at(y: number): number {
    let extras = 0;
    for (const [index, extra] of this.open) {
      const top = index * ROW + extras;
      if (y < top + ROW) break;
      if (y < top + ROW + extra) return index;
      extras += extra;
    }
    return Math.max(0, Math.min(this.count - 1, Math.floor((y - extras) / ROW)));
  }
}
