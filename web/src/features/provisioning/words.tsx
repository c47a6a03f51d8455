import { useTranslation } from 'react-i18next';
import type { Counts, RunView } from '@/api/schema';
import { tookText } from '@/lib/span';
import { useNow } from '@/lib/time';
import { Tone } from '@/ui/Tone';
import { runTone, runTook, statusTone, type Status } from './state';

export function RunTone({ state }: { state: string }) {
  const { t } = useTranslation('runs');
  return (
    <Tone tone={runTone(state)} moving={state === 'running'}>
      {t(`state.${state}`)}
    </Tone>
  );
}

/** How long a run took, or has been going. */
export function Took({ run }: { run: RunView }) {
  return run.finished_at ? <TookText run={run} now={0} /> : <Going run={run} />;
}

function Going({ run }: { run: RunView }) {
  return <TookText run={run} now={useNow()} />;
}

function TookText({ run, now }: { run: RunView; now: number }) {
  const { i18n } = useTranslation();
  return <span className="numbers">{tookText(runTook(run, now), i18n.language)}</span>;
}

/** Counts that are not zero: `6 ok · 2 changed`. */
export function CountsText({ counts }: { counts: Counts }) {
  const { t } = useTranslation('runs');
  const order: Status[] = ['ok', 'changed', 'failed', 'unreachable', 'skipped'];
  const shown = order.filter((status) => counts[status] > 0);
  return (
    <span className="d-inline-flex flex-wrap column-gap-3 numbers">
      {shown.map((status) => (
        <span key={status} className={`tone-${statusTone(status)}`} style={{ color: 'var(--tone)' }}>
          {counts[status]} {t(`status.${status}`).toLowerCase()}
        </span>
      ))}
    </span>
  );
}
