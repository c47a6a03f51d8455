import { useTranslation } from 'react-i18next';
import type { AvailableView, CreateReservation, PoolView } from '@/api/schema';
import { spanText } from '@/lib/span';
import { parseDuration } from '@/lib/time';
import { Button } from '@/ui/Button';
import { CopyButton } from '@/ui/CopyButton';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Tone } from '@/ui/Tone';
import { bookByBerth, bookByCurl } from './access';
import { countOf, type Draft } from './booking';

const NAMED = 8;

/** What the booking would be: what is free, what will run, until when. */
export function BookingSummary({
  draft,
  pool,
  free,
  request,
  now,
  busy,
  refused,
  offer,
}: {
  draft: Draft;
  pool: PoolView | undefined;
  free: AvailableView | undefined;
  request: CreateReservation;
  now: number;
  busy: boolean;
  refused: string | null;
  /** A way out when too few are free. */
  offer: { text: string; take: () => void }[];
}) {
  const { t, i18n } = useTranslation('reservations');
  const count = countOf(draft.count) ?? 1;
  const minutes = parseDuration(draft.duration);
  const begins = draft.later && draft.startsAt !== null ? draft.startsAt : now;
  const all = free ? Object.values(free.counts).reduce((sum, one) => sum + one, 0) : 0;
  const names = free?.available ?? [];
  const enough = count <= names.length;
  return (
    <Panel title={t('summary.title')} className="booking-summary">
      <p className="h2 mb-3">
        {t('summary.machines', { count })}
        {minutes !== null && <> · {spanText(minutes, i18n.language)}</>}
      </p>
      <dl className="facts mb-3" aria-live="polite">
        <dt>{t('summary.free')}</dt>
        <dd data-testid="free-now">
          {free ? (
            <>
              <Tone tone={enough ? 'good' : names.length > 0 ? 'busy' : 'bad'}>
                {t('summary.freeOf', { free: names.length, all })}
              </Tone>
              {names.length > 0 && (
                <span className="d-block small text-body-secondary">
                  {names.slice(0, NAMED).join(', ')}
                  {names.length > NAMED && t('summary.andMore', { count: names.length - NAMED })}
                </span>
              )}
            </>
          ) : (
            '…'
          )}
        </dd>
        <dt>{t('summary.runs')}</dt>
        <dd>
          {pool ? (
            <>
              <code className="text-body">{fileName(pool.create_playbook)}</code>
              <span className="d-block small text-body-secondary">
                {t('summary.runsHint', { file: fileName(pool.remove_playbook) })}
              </span>
            </>
          ) : (
            '…'
          )}
        </dd>
        <dt>{draft.later ? t('summary.from') : t('summary.until')}</dt>
        <dd>
          {draft.later && draft.startsAt !== null && (
            <span className="d-block">
              <Moment at={new Date(begins).toISOString()} as="absolute" />
            </span>
          )}
          {minutes === null ? (
            '–'
          ) : (
            <>
              {draft.later && <span className="text-body-secondary">{t('summary.to')} </span>}
              <Moment at={new Date(begins + minutes * 60_000).toISOString()} as="absolute" />
              <span className="d-block small text-body-secondary">{t('summary.untilHint')}</span>
            </>
          )}
        </dd>
        {pool && (
          <>
            <dt>{t('summary.limits')}</dt>
            <dd>
              {t('summary.limitsOf', {
                count: pool.max_count,
                span: spanText(pool.max_minutes, i18n.language),
              })}
            </dd>
          </>
        )}
      </dl>
      <div className="d-grid gap-2">
        <Button type="submit" look="primary" busy={busy} refused={refused}>
          {draft.later
            ? t('summary.bookLater', { count })
            : draft.wait && !enough
              ? t('summary.bookWait', { count })
              : t('summary.book', { count })}
        </Button>
        {refused && <p className="small text-body-secondary mb-0">{refused}</p>}
        {offer.map(({ text, take }) => (
          <Button key={text} onClick={take}>
            {text}
          </Button>
        ))}
      </div>
      <div className="d-flex flex-wrap gap-2 mt-3">
        <CopyButton text={bookByBerth(request)} label={t('summary.asBerth')} />
        <CopyButton text={bookByCurl(location.origin, request)} label={t('summary.asCurl')} />
      </div>
    </Panel>
  );
}

export function fileName(path: string): string {
  return path.replace(/^.*\//, '');
}
