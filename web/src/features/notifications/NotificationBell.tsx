import { Bell } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { paths } from '@/lib/paths';

/** The way to the notifications. */
export function NotificationBell() {
  const { t } = useTranslation('notifications');
  return (
    <Link
      to={paths.notifications}
      className="btn btn-sm btn-outline-secondary position-relative"
      aria-label={t('title')}
      title={t('title')}
    >
      <Bell size={16} aria-hidden="true" />
    </Link>
  );
}
