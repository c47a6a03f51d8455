import type { TFunction } from 'i18next';
import { ArrowDownToLine, ChevronRight } from 'lucide-react';
import { memo, useCallback, useEffect, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import type { RunLineView, RunView } from '@/api/schema';
import { plainText } from '@/lib/ansi';
import { clock } from '@/lib/time';
import { Button } from '@/ui/Button';
import { Panel } from '@/ui/Page';
import { Refusal } from '@/ui/states';
import { SelectField, TextField } from '@/ui/fields';
import { Message } from './LogText';
import { byName } from './grid';
import { useLines, useMatches, type LineChoice } from './queries';
import { ROW, Rows } from './rows';
import { STATUSES, statusLetter, statusTone } from './state';

/** What the address asks for of a log. */
export function useChoice(): [
  LineChoice,
  (change: Partial<Record<keyof LineChoice, string | null>>) => void,
] {
  const [query, setQuery] = useSearchParams();
  const choice: LineChoice = {};
  for (const name of ['machine', 'status', 'q'] as const) {
    const value = query.get(name);
    if (value) choice[name] = value;
  }
  const change = (part: Partial<Record<keyof LineChoice, string | null>>) => {
    setQuery(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(part)) {
          if (value) next.set(name, value);
          else next.delete(name);
        }
        return next;
      },
      { replace: true, preventScrollReset: true },
    );
  };
  return [choice, change];
}

/** The log of a run, with a search: of whatever length, only what is in sight is asked for. */
export function RunLog({ run, title, actions }: { run: RunView; title?: string; actions?: ReactNode }) {
  const { t } = useTranslation('runs');
  const [choice, change] = useChoice();
  const isCut = Object.keys(choice).length > 0;
  return (
    <Panel title={title ?? t('log.title')} actions={actions} flush className="run-log-panel">
      <LogSearch run={run} choice={choice} change={change} />
      {isCut ? (
        <Matches
          key={JSON.stringify([run.id, choice])}
          run={run}
          choice={choice}
          clear={() => change({ q: null, machine: null, status: null })}
        />
      ) : (
        <Whole key={run.id} run={run} />
      )}
    </Panel>
  );
}

function LogSearch({
  run,
  choice,
  change,
}: {
  run: RunView;
  choice: LineChoice;
  change: (part: Partial<Record<keyof LineChoice, string | null>>) => void;
}) {
  const { t } = useTranslation('runs');
  const asked = choice.q ?? '';
  const [text, setText] = useState(asked);
  const [shown, setShown] = useState(asked);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The address changed by another hand: a cell of the grid, the way back.
  if (shown !== asked) {
    setShown(asked);
    if (text.trim() !== asked) setText(asked);
  }
  const type = (value: string) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => change({ q: value.trim().slice(0, 100) }), 300);
  };
  return (
    <div className="log-search" role="search">
      <TextField
        label={t('log.search')}
        type="search"
        value={text}
        onChange={type}
        autoComplete="off"
        className="log-search-text"
      />
      {run.machines.length > 1 && (
        <SelectField
          label={t('log.machine')}
          value={choice.machine ?? ''}
          onChange={(machine) => change({ machine })}
          options={[
            { value: '', label: t('log.allMachines') },
            ...[...run.machines].sort(byName).map((name) => ({ value: name, label: name })),
          ]}
          className=""
        />
      )}
      <SelectField
        label={t('log.status')}
        value={choice.status ?? ''}
        onChange={(status) => change({ status })}
        options={[
          { value: '', label: t('log.allStatuses') },
          ...STATUSES.map((value) => ({ value, label: t(`status.${value}`) })),
        ]}
        className=""
      />
    </div>
  );
}

function Whole({ run }: { run: RunView }) {
  const { t } = useTranslation('runs');
  const [range, setRange] = useState({ from: 0, to: 0, rest: true });
  const { line, error, retry } = useLines(run, range.from, range.to, range.rest);
  if (run.lines === 0) {
    return (
      <p className="log-note" role="status">
        {t(run.state === 'running' ? 'log.soon' : 'log.nothing')}
      </p>
    );
  }
  return (
    <>
      {error && (
        <div className="px-4">
          <Refusal error={error}>
            <Button small onClick={retry} className="mt-1">
              {t('common:tryAgain')}
            </Button>
          </Refusal>
        </div>
      )}
      <LogView
        count={run.lines}
        line={line}
        isRunning={run.state === 'running'}
        onRange={(from, to, rest) =>
          setRange((before) =>
            before.from === from && before.to === to && before.rest === rest ? before : { from, to, rest },
          )
        }
      />
    </>
  );
}

function Matches({ run, choice, clear }: { run: RunView; choice: LineChoice; clear: () => void }) {
  const { t } = useTranslation('runs');
  const [near, setNear] = useState(true);
  const query = useMatches(run, choice, near);
  const found = query.data;
  if (query.error && !found) {
    return (
      <div className="px-4">
        <Refusal error={query.error} />
      </div>
    );
  }
  const whole = found !== undefined && found.upTo >= run.lines;
  const count = found?.lines.length ?? 0;
  return (
    <>
      <p className="log-note d-flex flex-wrap gap-2 align-items-center" role="status">
        {found || run.lines === 0
          ? t(whole || run.lines === 0 ? 'log.found' : 'log.foundSoFar', { count })
          : t('log.searching')}
        <Button small look="link" onClick={clear} className="p-0">
          {t('log.clear')}
        </Button>
      </p>
      {count > 0 && (
        <LogView
          count={count}
          line={(index) => found?.lines[index]}
          isRunning={false}
          onRange={(_, to) => setNear(to >= count - 100)}
        />
      )}
    </>
  );
}

/** Lines that a message takes when it is unfolded, at most, before it scrolls in itself. */
const TALLEST = 18;
const LINE = 18;

function unfoldedHeight(message: string): number {
  return Math.min(TALLEST, message.split('\n').length) * LINE + 20;
}

/** A window on rows of one height, some of which are unfolded. */
function LogView({
  count,
  line,
  isRunning,
  onRange,
}: {
  count: number;
  line: (index: number) => RunLineView | undefined;
  isRunning: boolean;
  onRange: (from: number, to: number, rest: boolean) => void;
}) {
  const { t, i18n } = useTranslation('runs');
  const box = useRef<HTMLOListElement>(null);
  const [view, setView] = useState({ top: 0, height: 480 });
  const [follows, setFollows] = useState(isRunning);
  const [unfolded, setUnfolded] = useState<ReadonlyMap<number, number>>(new Map());
  const settle = useRef<ReturnType<typeof setTimeout>>(undefined);
  const rows = new Rows(count, unfolded);
  const from = Math.max(0, rows.at(view.top) - 10);
  const to = Math.min(count - 1, rows.at(view.top + view.height) + 10);

  const look = (element: HTMLElement, rest: boolean) => {
    const height = element.clientHeight;
    setView({ top: element.scrollTop, height });
    onRange(
      Math.max(0, rows.at(element.scrollTop) - 10),
      Math.min(count - 1, rows.at(element.scrollTop + height) + 10),
      rest,
    );
  };
  const scrolled = (element: HTMLElement) => {
    const far = Math.abs(element.scrollTop - view.top) > 3 * view.height;
    const atEnd = element.scrollHeight - element.clientHeight - element.scrollTop < ROW;
    if (isRunning) setFollows(atEnd);
    // While the bar is dragged over thousands of lines, none of them is asked for.
    look(element, !far);
    clearTimeout(settle.current);
    settle.current = setTimeout(() => look(element, true), 120);
  };
  // What grew at the end comes into sight before it is drawn; the browser knows the height only then.
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    if (follows && isRunning) element.scrollTop = element.scrollHeight;
    look(element, true);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only a longer log moves the window
  }, [count, follows]);
  useEffect(() => () => clearTimeout(settle.current), []);

  const toggle = useCallback(
    (index: number, message: string) =>
      setUnfolded((before) => {
        const after = new Map(before);
        if (!after.delete(index)) after.set(index, unfoldedHeight(message));
        return after;
      }),
    [],
  );
  // Each line with a translator of its own would cost more than the line.
  const shown = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
  return (
    <div className="position-relative">
      <ol
        ref={box}
        className="run-log"
        tabIndex={0}
        aria-label={t('log.title')}
        onScroll={(event) => scrolled(event.currentTarget)}
      >
        <li aria-hidden="true" style={{ height: rows.top(from) }} />
        {shown.map((index) => (
          <Line
            key={index}
            line={line(index)}
            index={index}
            count={count}
            isOpen={unfolded.has(index)}
            height={unfolded.get(index) ?? 0}
            toggle={toggle}
            t={t}
            language={i18n.language}
          />
        ))}
        <li aria-hidden="true" style={{ height: Math.max(0, rows.height - rows.top(to + 1)) }} />
      </ol>
      {isRunning && !follows && (
        <span className="log-follow">
          <Button
            small
            onClick={() => setFollows(true)}
            icon={<ArrowDownToLine size={14} aria-hidden="true" />}
          >
            {t('log.follow')}
          </Button>
        </span>
      )}
    </div>
  );
}

const Line = memo(function Line({
  line,
  index,
  count,
  isOpen,
  height,
  toggle,
  t,
  language,
}: {
  line: RunLineView | undefined;
  index: number;
  count: number;
  isOpen: boolean;
  height: number;
  toggle: (index: number, message: string) => void;
  t: TFunction<'runs'>;
  language: string;
}) {
  if (!line) {
    return (
      <li className="log-line text-body-secondary" style={{ height: ROW }}>
        <span className="log-seq">{index + 1}</span>…
      </li>
    );
  }
  const first = line.message.split('\n', 1)[0] ?? '';
  const isLong = line.message.includes('\n') || line.message.length > 80;
  const what = (
    <>
      {isLong && (
        <ChevronRight size={12} className={`log-arrow ${isOpen ? 'is-open' : ''}`} aria-hidden="true" />
      )}
      {line.task && <span className="log-task">{plainText(line.task)}</span>}
      {first && <span className="log-first">{isOpen ? '' : <Message text={first} />}</span>}
    </>
  );
  return (
    <li style={{ height: ROW + height }} aria-setsize={count} aria-posinset={index + 1} data-seq={line.seq}>
      <div
        className={`log-line ${line.status === 'failed' || line.status === 'unreachable' ? 'is-bad' : ''}`}
      >
        <span className="log-seq">{line.seq}</span>
        <span className="log-time">{clock(line.at, language)}</span>
        <span className="log-machine" title={line.machine}>
          {line.machine}
        </span>
        {line.status ? (
          <span
            className={`status-letter tone-${statusTone(line.status)}`}
            title={t(`status.${line.status}`)}
          >
            <span aria-hidden="true">{statusLetter(line.status)}</span>
            <span className="visually-hidden">{t(`status.${line.status}`)}</span>
          </span>
        ) : (
          <span />
        )}
        {isLong ? (
          <button
            type="button"
            className="log-what"
            aria-expanded={isOpen}
            onClick={() => toggle(index, line.message)}
          >
            {what}
          </button>
        ) : (
          <span className="log-what">{what}</span>
        )}
      </div>
      {isOpen && (
        <pre className="log-message" tabIndex={0} style={{ maxHeight: height - 6 }}>
          <Message text={line.message} />
        </pre>
      )}
    </li>
  );
});
