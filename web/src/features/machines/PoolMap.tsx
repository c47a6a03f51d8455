import { useVirtualizer } from '@tanstack/react-virtual';
import {
  memo,
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type CSSProperties,
  type KeyboardEvent,
} from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { MachineView } from '@/api/schema';
import { paths } from '@/lib/paths';
import { moved, rowsOf, type Grouping, type MapGroup } from './map';
import { LOOKS } from './state';

/** Up to this many machines each cell has room for a name. */
const FEW = 150;
const SMALL = { width: 29, height: 29 };
const LARGE = { width: 148, height: 40 };
const HEAD = 44;
const PAD = 16;

/** A cell for each machine, in its state's colour and letter. Only the lines in sight are drawn. */
export function PoolMap({ groups, grouping }: { groups: MapGroup[]; grouping: Grouping }) {
  const { t } = useTranslation('available');
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
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = moved(rows, at, event.key);
    if (to === null) return;
    event.preventDefault();
    wanted.current = to;
    setCurrent(to);
    const line = rows.findIndex(
      (row) => row.kind === 'cells' && row.start <= to && to < row.start + row.machines.length,
    );
    virtual.scrollToIndex(line, { align: 'auto' });
  };
  const focused = useCallback((cell: number) => setCurrent(cell), []);
  return (
    <>
      <p id={hint} className="visually-hidden">
        {t('mapHint')}
      </p>
      <div
        ref={box}
        className={`pool-map ${size === LARGE ? 'is-large' : ''}`}
        role="grid"
        aria-label={t('mapLabel')}
        aria-describedby={hint}
        aria-rowcount={rows.length}
        aria-colcount={columns}
        onKeyDown={onKeyDown}
      >
        <div
          role="presentation"
          style={
            { height: virtual.getTotalSize(), position: 'relative', '--columns': columns } as CSSProperties
          }
        >
          {width > 0 &&
            virtual.getVirtualItems().map((item) => {
              const row = rows[item.index];
              if (!row) return null;
              return (
                <div
                  key={item.key}
                  role="row"
                  aria-rowindex={item.index + 1}
                  className="pool-map-row"
                  style={{ transform: `translateY(${item.start}px)`, height: item.size }}
                >
                  {row.kind === 'head' ? (
                    <Head group={row.group} grouping={grouping} columns={columns} />
                  ) : (
                    <Cells
                      machines={row.machines}
                      start={row.start}
                      at={row.start <= at && at < row.start + row.machines.length ? at : -1}
                      large={size === LARGE}
                      focused={focused}
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

function Head({ group, grouping, columns }: { group: MapGroup; grouping: Grouping; columns: number }) {
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
    <div role="rowheader" aria-colspan={columns} className="pool-map-head">
      <span className="fw-bold text-truncate">{title}</span>
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
const Cells = memo(function Cells({
  machines,
  start,
  at,
  large,
  focused,
}: {
  machines: MachineView[];
  start: number;
  at: number;
  large: boolean;
  focused: (cell: number) => void;
}) {
  const { t } = useTranslation(['available', 'machines']);
  return machines.map((machine, i) => {
    const { tone, letter } = LOOKS[machine.state];
    const state = t(`machines:states.${machine.state}`);
    const cell = start + i;
    return (
      <span key={machine.name} role="gridcell" aria-colindex={i + 1} className="pool-map-place">
        <Link
          to={paths.machine(machine.name)}
          className={`pool-map-cell tone-${tone} ${machine.state === 'ready' ? 'is-free' : ''}`}
          data-cell={cell}
          tabIndex={cell === at ? 0 : -1}
          title={titleOf(machine, state)}
          aria-label={t('cell', { name: machine.name, state })}
          onFocus={() => focused(cell)}
        >
          <b aria-hidden="true">{letter}</b>
          {large && <span className="text-truncate">{machine.name}</span>}
        </Link>
      </span>
    );
  });
}, sameCells);

function sameCells(
  a: { machines: MachineView[]; start: number; at: number; large: boolean },
  b: { machines: MachineView[]; start: number; at: number; large: boolean },
): boolean {
  return (
    a.start === b.start &&
    a.at === b.at &&
    a.large === b.large &&
    a.machines.length === b.machines.length &&
    a.machines.every((machine, i) => machine === b.machines[i])
  );
}

function titleOf(machine: MachineView, state: string): string {
  const labels = Object.entries(machine.labels).map(([name, value]) => `${name}=${value}`);
  return [`${machine.name} · ${state}`, machine.pool, labels.join(' ')].filter(Boolean).join('\n');
}
