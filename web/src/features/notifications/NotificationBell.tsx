import { Bell } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { paths } from '@/lib/paths';
import { useUnread } from './queries';

/** The way to the notifications, and how many are new. */
export function NotificationBell() {
  const { t } = useTranslation('notifications');
  const unread = useUnread().data ?? 0;
  const says = unread > 0 ? t('unreadCount', { count: unread }) : t('title');
  return (
    <Link
      to={paths.notifications}
      className="btn btn-sm btn-outline-secondary position-relative"
      aria-label={says}
      title={says}
    >
      <Bell size={16} aria-hidden="true" />
      {unread > 0 && (
        <span className="bell-count numbers" aria-hidden="true">
          {unread > 99 ? '99+' : unread}
        </span>
      )}
    </Link>
  );
}
