import { CheckCheck } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { NotificationList } from '@/features/notifications/NotificationList';
import { markRead, useNotifications, useUnread } from '@/features/notifications/queries';
import { paths } from '@/lib/paths';
import { Button, ButtonLink } from '@/ui/Button';
import { Page } from '@/ui/Page';
import { Refusal } from '@/ui/states';
import { useSubmit } from '@/ui/submit';
import { Tabs, useTab } from '@/ui/Tabs';
import { say } from '@/ui/toasts';

export default function NotificationsPage() {
  const { t } = useTranslation('notifications');
  const unread = useUnread().data;
  const tabs = [
    { key: 'all', text: t('every') },
    { key: 'unread', text: t('unread'), count: unread },
  ];
  const onlyUnread = useTab(tabs, 'show') === 'unread';
  const news = useNotifications(onlyUnread);
  const newest = news.items?.[0];
  const { busy, error, submit } = useSubmit(async () => {
    if (!newest) return;
    await markRead(newest.id);
    say(t('marked'));
  });
  return (
    <Page
      title={t('title')}
      lead={t('lead')}
      actions={
        <>
          <Button
            busy={busy}
            refused={unread === 0 ? t('nothingToMark') : null}
            icon={<CheckCheck size={16} aria-hidden="true" />}
            onClick={() => void submit()}
          >
            {t('markAll')}
          </Button>
          <ButtonLink to={paths.settingsOf('notifications')}>{t('choose')}</ButtonLink>
        </>
      }
    >
      <Tabs tabs={tabs} label={t('title')} name="show" />
      <Refusal error={error} />
      <div className="measure">
        <NotificationList news={news} onlyUnread={onlyUnread} />
      </div>
    </Page>
  );
}
