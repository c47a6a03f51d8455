import { useVirtualizer } from '@tanstack/react-virtual';
import {
  memo,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type CSSProperties,
  type FocusEvent,
  type KeyboardEvent,
  type PointerEvent,
} from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { MachineView, State } from '@/api/schema';
import { paths } from '@/lib/paths';
import { usePlainLinks } from '@/ui/links';
import { moved, rowsOf, type Grouping, type MapGroup } from './map';
import { LOOKS, STATES } from './state';

/** Up to this many machines each cell has room for a name. */
const FEW = 150;
const SMALL = { width: 29, height: 29 };
const LARGE = { width: 148, height: 40 };
const HEAD = 44;
const PAD = 16;

/** Stands for a machine's name in a text that is made once for all. */
const NAME = '{}';
type Words = Record<State, { word: string; label: string }>;

interface CellsProps {
  machines: MachineView[];
  /** How many cells stand before. */
  start: number;
  /** The cell that the tab key leads to, if it is here. */
  at: number;
  large: boolean;
  words: Words;
}

/** A cell for each machine, in its state's colour and letter. Only the lines in sight are drawn. */
export function PoolMap({ groups, grouping }: { groups: MapGroup[]; grouping: Grouping }) {
  const { t } = useTranslation(['available', 'machines']);
  const hint = useId();
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [current, setCurrent] = useState(0);
  /** A cell that is to get the focus as soon as it is drawn. */
  const wanted = useRef<number | null>(null);
  useLayoutEffect(() => {
    const { current: element } = box;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  const total = groups.reduce((sum, { machines }) => sum + machines.length, 0);
  const size = total > FEW ? SMALL : LARGE;
  const columns = Math.max(1, Math.floor((width - 2 * PAD) / size.width));
  const rows = useMemo(() => rowsOf(groups, columns), [groups, columns]);
  const at = Math.min(current, Math.max(0, total - 1));
  // eslint-disable-next-line react-hooks/incompatible-library -- the virtualizer keeps its own state
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: (i) => (rows[i]?.kind === 'head' ? HEAD : size.height),
    overscan: 8,
    scrollPaddingStart: 8,
    scrollPaddingEnd: 8,
    paddingEnd: PAD,
  });
  useEffect(() => virtual.measure(), [virtual, rows, size]);
  useEffect(() => {
    if (wanted.current === null) return;
    const cell = box.current?.querySelector<HTMLElement>(`[data-cell="${wanted.current}"]`);
    if (!cell) return;
    wanted.current = null;
    cell.focus({ preventScroll: true });
  });
  const items = virtual.getVirtualItems();
  const lineOf = (cell: number) =>
    rows.findIndex(
      (row) => row.kind === 'cells' && row.start <= cell && cell < row.start + row.machines.length,
    );
  // A cell out of sight is not drawn; then the tab key leads to the first one that is.
  const isInSight = items.some(({ index }) => index === lineOf(at));
  const first = items.map(({ index }) => rows[index]).find((row) => row?.kind === 'cells');
  const stop = isInSight || first?.kind !== 'cells' ? at : first.start;
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = moved(rows, stop, event.key);
    if (to === null) return;
    event.preventDefault();
    wanted.current = to;
    setCurrent(to);
    // On the way up the heading comes into sight with its first line.
    const line = lineOf(to);
    const withHead = to < stop && rows[line - 1]?.kind === 'head';
    virtual.scrollToIndex(withHead ? line - 1 : line, { align: 'auto' });
  };
  const onClick = usePlainLinks();
  const onFocus = (event: FocusEvent) => {
    const cell = event.target.getAttribute('data-cell');
    if (cell !== null) setCurrent(Number(cell));
  };
  // Made when it is asked for: a tip for each of a thousand cells costs as much as the cells.
  const onPointerOver = (event: PointerEvent) => {
    const cell = (event.target as Element).closest<HTMLElement>('a[data-cell]');
    if (!cell || cell.title) return;
    const at = Number(cell.dataset.cell);
    const row = rows.find(
      (one) => one.kind === 'cells' && one.start <= at && at < one.start + one.machines.length,
    );
    const machine = row?.kind === 'cells' ? row.machines[at - row.start] : undefined;
    if (machine) cell.title = titleOf(machine, words[machine.state].word);
  };
  const words = useMemo(
    () =>
      Object.fromEntries(
        STATES.map((state) => {
          const word = t(`machines:states.${state}`);
          return [state, { word, label: t('cell', { name: NAME, state: word }) }];
        }),
      ) as Words,
    [t],
  );
  return (
    <>
      <p id={hint} className="visually-hidden">
        {t('mapHint')}
      </p>
      <div
        ref={box}
        className={`pool-map ${size === LARGE ? 'is-large' : ''}`}
        role="group"
        aria-label={t('mapLabel')}
        aria-describedby={hint}
        onPointerOver={onPointerOver}
        onKeyDown={onKeyDown}
        onClick={onClick}
        onFocus={onFocus}
      >
        <div
          style={
            { height: virtual.getTotalSize(), position: 'relative', '--columns': columns } as CSSProperties
          }
        >
          {width > 0 &&
            items.map((item) => {
              const row = rows[item.index];
              if (!row) return null;
              return (
                <div
                  key={item.key}
                  className={`pool-map-row ${row.kind === 'cells' ? 'is-cells' : ''}`}
                  style={{ transform: `translateY(${item.start}px)`, height: item.size }}
                >
                  {row.kind === 'head' ? (
                    <Head group={row.group} grouping={grouping} />
                  ) : (
                    <Cells
                      machines={row.machines}
                      start={row.start}
                      at={row.start <= stop && stop < row.start + row.machines.length ? stop : -1}
                      large={size === LARGE}
                      words={words}
                    />
                  )}
                </div>
              );
            })}
        </div>
      </div>
    </>
  );
}

function Head({ group, grouping }: { group: MapGroup; grouping: Grouping }) {
  const { t } = useTranslation('available');
  const { value, free, machines } = group;
  const label = grouping.by === 'label' && value !== null ? `${grouping.name}=${value}` : null;
  const title =
    grouping.by === 'nothing'
      ? t('everything')
      : value === null && grouping.by === 'label'
        ? t('without', { name: grouping.name })
        : (label ?? value ?? '');
  return (
    <div className="pool-map-head">
      <h2 className="h4 mb-0 text-truncate">{title}</h2>
      <span className="small text-body-secondary numbers flex-shrink-0">
        {t('groupCount', { free, total: machines.length })}
      </span>
      {label && free > 0 && (
        <Link
          to={paths.reserve([label])}
          className="small flex-shrink-0"
          aria-label={t('reserveOf', { label })}
        >
          {t('reserve')}
        </Link>
      )}
    </div>
  );
}

/** One line of cells. It is drawn anew only when one of its machines changes or the focus comes or goes. */
const Cells = memo(function Cells({ machines, start, at, large, words }: CellsProps) {
  return machines.map((machine, i) => {
    const { tone, letter } = LOOKS[machine.state];
    const cell = start + i;
    return (
      <a
        key={machine.name}
        href={paths.machine(machine.name)}
        className={`pool-map-cell tone-${tone} ${machine.state === 'ready' ? 'is-free' : ''}`}
        data-cell={cell}
        tabIndex={cell === at ? 0 : -1}
        aria-label={words[machine.state].label.replace(NAME, machine.name)}
      >
        {large ? (
          <>
            <b aria-hidden="true">{letter}</b>
            <span className="text-truncate">{machine.name}</span>
          </>
        ) : (
          letter
        )}
      </a>
    );
  });
}, sameCells);

function sameCells(a: CellsProps, b: CellsProps): boolean {
  return (
    a.start === b.start &&
    a.at === b.at &&
    a.large === b.large &&
    a.words === b.words &&
    a.machines.length === b.machines.length &&
    a.machines.every((machine, i) => machine === b.machines[i])
  );
}

function titleOf(machine: MachineView, state: string): string {
  const labels = Object.entries(machine.labels).map(([name, value]) => `${name}=${value}`);
  return [`${machine.name} · ${state}`, machine.pool, labels.join(' ')].filter(Boolean).join('\n');
}
