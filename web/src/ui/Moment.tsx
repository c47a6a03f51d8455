import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLanguage } from '@/lib/i18n';
import { countdown, moment, relative, useNow } from '@/lib/time';
import { preferences } from '@/lib/preferences';
import { useStore } from '@/lib/store';

/** A moment in the person's zone; UTC on hover. */
export function Moment({
  at,
  as = 'both',
}: {
  at: string | null | undefined;
  as?: 'both' | 'relative' | 'absolute';
}) {
  const language = useLanguage();
  useStore(preferences);
  if (!at) return <>–</>;
  const absolute = moment(at, language);
  return (
    <time dateTime={at} title={`${absolute}\n${moment(at, language, 'UTC', true)} UTC`}>
      {as !== 'relative' && absolute}
      {as === 'both' && ' '}
      {as === 'both' ? (
        <span className="text-body-secondary">
          (<Relative at={at} />)
        </span>
      ) : (
        as === 'relative' && <Relative at={at} />
      )}
    </time>
  );
}

/** A moment in a row of a long table: `from` is now, and the absolute moment is made when somebody points at it. */
export function Ago({ at, language, from }: { at: string; language: string; from: number }) {
  return (
    <time
      dateTime={at}
      onPointerEnter={({ currentTarget }) => {
        currentTarget.title = `${moment(at, language)}\n${moment(at, language, 'UTC', true)} UTC`;
      }}
    >
      {relative(at, language, from)}
    </time>
  );
}

function Relative({ at }: { at: string }) {
  const language = useLanguage();
  return <>{relative(at, language, useNow())}</>;
}

const THRESHOLDS = [15, 5, 1, 0];

/** Time left until a moment; read aloud at 15, 5 and 1 minute and at the end only. */
export function Countdown({ until, ended }: { until: string; ended?: string }) {
  const { t } = useTranslation();
  const left = new Date(until).getTime() - useNow();
  const [spoken, setSpoken] = useState('');
  const passed = useRef(THRESHOLDS.filter((minutes) => left <= minutes * 60_000).length);
  const now = THRESHOLDS.filter((minutes) => left <= minutes * 60_000).length;
  useEffect(() => {
    if (now > passed.current) {
      const minutes = THRESHOLDS[now - 1] ?? 0;
      setSpoken(minutes > 0 ? t('minutesLeft', { count: minutes }) : t('timeIsUp'));
    }
    passed.current = now;
  }, [now, t]);
  const urgency = left <= 60_000 ? 'tone-bad' : left <= 5 * 60_000 ? 'tone-busy' : '';
  return (
    <span className={urgency} style={urgency ? { color: 'var(--tone)' } : undefined}>
      <span className="countdown" role="timer" aria-live="off" title={until}>
        {left <= 0 && ended ? ended : countdown(left)}
      </span>
      <span className="visually-hidden" aria-live="polite">
        {spoken}
      </span>
    </span>
  );
}
