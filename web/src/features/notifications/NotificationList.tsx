import { Bell, BellOff } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { NotificationView } from '@/api/schema';
import { Button } from '@/ui/Button';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Empty, Failure, Loading } from '@/ui/states';
import { NewsText } from './NewsText';
import type { useNotifications } from './queries';
import { newsOf } from './words';

/** News addressed to oneself, newest first. */
export function NotificationList({
  news,
  onlyUnread,
}: {
  news: ReturnType<typeof useNotifications>;
  onlyUnread: boolean;
}) {
  const { t } = useTranslation(['notifications', 'common']);
  const { items, hasNextPage, isFetchingNextPage } = news;
  return (
    <Panel flush>
      {items === undefined ? (
        news.error ? (
          <Failure error={news.error} retry={() => void news.refetch()} />
        ) : (
          <Loading lines={6} />
        )
      ) : items.length === 0 ? (
        <Empty
          title={t(onlyUnread ? 'allRead' : 'none')}
          icon={onlyUnread ? <BellOff size={32} aria-hidden="true" /> : <Bell size={32} aria-hidden="true" />}
        >
          {t(onlyUnread ? 'allReadText' : 'noneText')}
        </Empty>
      ) : (
        <>
          <ul className="rows news">
            {items.map((event) => (
              <Row key={event.id} event={event} />
            ))}
          </ul>
          {hasNextPage && (
            <div className="p-3 border-top text-center">
              <Button small busy={isFetchingNextPage} onClick={() => void news.fetchNextPage()}>
                {t('common:more')}
              </Button>
            </div>
          )}
        </>
      )}
    </Panel>
  );
}

function Row({ event }: { event: NotificationView }) {
  const { t, i18n } = useTranslation('notifications');
  const { tone, to, detail } = newsOf(event, i18n.language);
  return (
    <li className={event.read ? undefined : 'is-unread'}>
      <span className={`tone tone-${tone}`} aria-hidden="true" />
      <div className="min-w-0 me-auto">
        {!event.read && <span className="visually-hidden">{t('isUnread')}: </span>}
        {to ? (
          <Link to={to}>
            <NewsText event={event} />
          </Link>
        ) : (
          <NewsText event={event} />
        )}
        {detail && <div className="small text-body-secondary text-break">{detail}</div>}
      </div>
      <span className="small text-body-secondary text-nowrap">
        <Moment at={event.at} as="relative" />
      </span>
    </li>
  );
}
