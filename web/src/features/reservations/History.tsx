import { useTranslation } from 'react-i18next';
import { NewsText } from '@/features/notifications/NewsText';
import { Moment } from '@/ui/Moment';
import { Button } from '@/ui/Button';
import { Panel } from '@/ui/Page';
import { Failure, Loading } from '@/ui/states';
import { useReservationHistory } from './queries';

/** What happened, newest first. */
export function History({ id }: { id: string }) {
  const { t } = useTranslation(['reservations', 'common']);
  const list = useReservationHistory(id);
  // Each line a run wrote is an event, too; those are the log's.
  const items = list.items?.filter((event) => event.kind !== 'provision.progress');
  return (
    <Panel title={t('history.title')}>
      {list.error && !items ? (
        <Failure error={list.error} retry={() => void list.refetch()} />
      ) : !items ? (
        <Loading lines={3} />
      ) : items.length === 0 && !list.hasNextPage ? (
        <p className="text-body-secondary mb-0">{t('history.nothing')}</p>
      ) : (
        <ol className="list-unstyled mb-0 history">
          {items.map((event) => (
            <li key={event.id}>
              <span className="small text-body-secondary">
                <Moment at={event.at} as="absolute" />
              </span>
              <span className="text-break">
                <NewsText event={event} full />
              </span>
            </li>
          ))}
        </ol>
      )}
      {list.hasNextPage && (
        <Button
          small
          className="mt-3"
          busy={list.isFetchingNextPage}
          onClick={() => void list.fetchNextPage()}
        >
          {t('common:more')}
        </Button>
      )}
    </Panel>
  );
}
