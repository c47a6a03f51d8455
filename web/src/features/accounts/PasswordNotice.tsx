import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { paths } from '@/lib/paths';
import { useWhoami } from './queries';

/** Tells who must change the password, until it is done. */
export function PasswordNotice() {
  const { t } = useTranslation('session');
  const whoami = useWhoami();
  if (!whoami.data?.must_change_password) return null;
  return (
    <div className="notice-bar tone-busy" role="status">
      {t('mustChange')} <Link to={paths.settings}>{t('mustChangeLink')}</Link>
    </div>
  );
}
