import { useRef, useState, type KeyboardEvent } from 'react';
import { useTranslation } from 'react-i18next';
import type { RunView } from '@/api/schema';
import { plainText } from '@/lib/ansi';
import { Panel } from '@/ui/Page';
import { Loading, Refusal } from '@/ui/states';
import { gridOf, type Cell, type Grid } from './grid';
import { MOST_STEPS, useSteps } from './queries';
import { useChoice } from './RunLog';
import { apart, statusLetter, statusTone, type Status } from './state';

const ORDER: Status[] = ['ok', 'changed', 'failed', 'skipped', 'unreachable'];
const HEIGHT = 32;
const MARGIN = 8;

/** Machines by tasks; a cell leads to its lines in the log. */
export function RunGrid({ run }: { run: RunView }) {
  const { t } = useTranslation('runs');
  const steps = useSteps(run);
  const [, change] = useChoice();
  const grid = gridOf(steps.data?.lines ?? [], run.machines);
  const isCut = (steps.data?.lines.length ?? 0) >= MOST_STEPS;
  return (
    <Panel title={t('grid.title')} actions={<Legend />} flush className="run-log-panel">
      {isCut && <p className="log-note">{t('grid.cut', { count: MOST_STEPS })}</p>}
      {steps.error && !steps.data ? (
        <div className="px-4">
          <Refusal error={steps.error} />
        </div>
      ) : run.lines > 0 && !steps.data ? (
        <Loading lines={3} />
      ) : grid.columns.length === 0 ? (
        <p className="log-note">{t(run.state === 'running' ? 'log.soon' : 'grid.nothing')}</p>
      ) : (
        <GridTable
          run={run}
          grid={grid}
          choose={(machine, task, status) => change({ machine, q: task ?? null, status: status ?? null })}
        />
      )}
    </Panel>
  );
}

function Legend() {
  const { t } = useTranslation('runs');
  return (
    <span className="d-flex flex-wrap gap-3 small text-body-secondary">
      {ORDER.map((status) => (
        <span key={status} className="d-inline-flex align-items-center gap-1">
          <span className={`status-letter tone-${statusTone(status)}`} aria-hidden="true">
            {statusLetter(status)}
          </span>
          {t(`status.${status}`)}
        </span>
      ))}
    </span>
  );
}

function GridTable({
  run,
  grid,
  choose,
}: {
  run: RunView;
  grid: Grid;
  choose: (machine: string, task?: string, status?: Status) => void;
}) {
  const { t } = useTranslation('runs');
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  /** The one cell that the tab key reaches; arrows go on from there. */
  const [active, setActive] = useState({ row: 0, column: 0 });
  const from = Math.max(0, Math.floor(top / HEIGHT) - MARGIN);
  const to = Math.min(grid.machines.length, from + 2 * MARGIN + 30);
  const counts = ORDER.filter((status) =>
    Object.values(run.summary).some((machine) => apart(machine)[status] > 0),
  );
  const move = (event: KeyboardEvent) => {
    const steps: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    };
    const step = steps[event.key];
    if (!step || !box.current) return;
    event.preventDefault();
    let { row, column } = active;
    // Empty cells are passed over.
    do {
      row += step[0];
      column += step[1];
      if (row < 0 || column < 0 || row >= grid.machines.length || column >= grid.columns.length) return;
    } while (!grid.cells.get(grid.machines[row] ?? '')?.has(column));
    setActive({ row, column });
    const element = box.current;
    const y = row * HEIGHT;
    if (y < element.scrollTop) element.scrollTop = y;
    if (y + 4 * HEIGHT > element.scrollTop + element.clientHeight) {
      element.scrollTop = y + 4 * HEIGHT - element.clientHeight;
    }
    requestAnimationFrame(() =>
      element.querySelector<HTMLElement>(`[data-cell="${row}.${column}"]`)?.focus(),
    );
  };
  return (
    <div
      className="run-grid"
      ref={box}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={move}
    >
      <table aria-rowcount={grid.machines.length + 1} aria-label={t('grid.title')}>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">{t('grid.machine')}</th>
            {counts.map((status) => (
              <th key={status} scope="col" className="text-end">
                <span title={t(`status.${status}`)}>
                  <span aria-hidden="true">{statusLetter(status)}</span>
                  <span className="visually-hidden">{t(`status.${status}`)}</span>
                </span>
              </th>
            ))}
            {grid.columns.map((column, i) => (
              <th
                key={i}
                scope="col"
                title={plainText(column.task)}
                className={i === 0 ? 'first-task' : undefined}
              >
                <span className="task-name">
                  {plainText(column.task)}
                  {column.nth > 1 && ` (${column.nth})`}
                </span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {from > 0 && (
            <tr aria-hidden="true" style={{ height: from * HEIGHT }}>
              <td />
            </tr>
          )}
          {grid.machines.slice(from, to).map((machine, i) => {
            const row = from + i;
            const all = run.summary[machine];
            const summary = all && apart(all);
            return (
              <tr key={machine} aria-rowindex={row + 2}>
                <th scope="row">{machine}</th>
                {counts.map((status) => (
                  <td key={status} className="numbers text-end px-1">
                    {summary && summary[status] > 0 ? (
                      <button
                        type="button"
                        tabIndex={-1}
                        className={`btn btn-link btn-sm p-0 text-decoration-none tone-${statusTone(status)}`}
                        style={{ color: 'var(--tone)' }}
                        aria-label={t('grid.count', {
                          machine,
                          status: t(`status.${status}`),
                          count: summary[status],
                        })}
                        onClick={() => choose(machine, undefined, status)}
                      >
                        {summary[status]}
                      </button>
                    ) : (
                      <span className="text-body-secondary">0</span>
                    )}
                  </td>
                ))}
                {grid.columns.map((column, place) => (
                  <td key={place} className={place === 0 ? 'first-task' : undefined}>
                    <GridCell
                      cell={grid.cells.get(machine)?.get(place)}
                      at={`${row}.${place}`}
                      isActive={active.row === row && active.column === place}
                      label={`${machine}, ${plainText(column.task)}`}
                      onClick={() => {
                        setActive({ row, column: place });
                        choose(machine, column.task.slice(0, 100));
                      }}
                    />
                  </td>
                ))}
              </tr>
            );
          })}
          {to < grid.machines.length && (
            <tr aria-hidden="true" style={{ height: (grid.machines.length - to) * HEIGHT }}>
              <td />
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

function GridCell({
  cell,
  at,
  isActive,
  label,
  onClick,
}: {
  cell: Cell | undefined;
  at: string;
  isActive: boolean;
  label: string;
  onClick: () => void;
}) {
  const { t } = useTranslation('runs');
  if (!cell) return <span className="text-body-secondary">·</span>;
  return (
    <button
      type="button"
      className={`grid-cell status-letter tone-${statusTone(cell.status)}`}
      data-cell={at}
      tabIndex={isActive ? 0 : -1}
      title={`${label}: ${t(`status.${cell.status}`)}`}
      aria-label={`${label}: ${t(`status.${cell.status}`)}`}
      onClick={onClick}
    >
      {statusLetter(cell.status)}
      {cell.times > 1 && <sup>{cell.times}</sup>}
    </button>
  );
}
