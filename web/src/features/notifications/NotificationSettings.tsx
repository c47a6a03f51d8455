import { useTranslation } from 'react-i18next';
import { prefer, preferences } from '@/lib/preferences';
import { useStore } from '@/lib/store';
import { CheckField } from '@/ui/fields';
import { Panel } from '@/ui/Page';

/** Which news come up in the corner of the page. */
export function NotificationSettings() {
  const { t } = useTranslation('notifications');
  const { toasts } = useStore(preferences);
  return (
    <Panel title={t('title')}>
      <CheckField
        label={t('toasts')}
        hint={t('toastsHint')}
        checked={toasts}
        onChange={(on) => prefer({ toasts: on })}
        className="mb-0"
      />
    </Panel>
  );
}
