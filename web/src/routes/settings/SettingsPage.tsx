import { useTranslation } from 'react-i18next';
import { AppearancePanel } from '@/features/accounts/AppearancePanel';
import { KeysPanel } from '@/features/accounts/KeysPanel';
import { PasswordPanel, ProfilePanel } from '@/features/accounts/ProfilePanels';
import { SessionsPanel } from '@/features/accounts/SessionsPanel';
import { TokensPanel } from '@/features/accounts/TokensPanel';
import { NotificationSettings } from '@/features/notifications/NotificationSettings';
import { Page } from '@/ui/Page';
import { Tabs, useTab } from '@/ui/Tabs';

export default function SettingsPage() {
  const { t } = useTranslation('settings');
  const tabs = [
    { key: 'profile', text: t('tabs.profile') },
    { key: 'keys', text: t('tabs.keys') },
    { key: 'tokens', text: t('tabs.tokens') },
    { key: 'sessions', text: t('tabs.sessions') },
    { key: 'appearance', text: t('tabs.appearance') },
    { key: 'notifications', text: t('tabs.notifications') },
  ];
  const tab = useTab(tabs);
  return (
    <Page title={t('title')}>
      <Tabs tabs={tabs} label={t('title')} />
      <div className="measure d-grid gap-4">
        {tab === 'profile' && (
          <>
            <ProfilePanel />
            <PasswordPanel />
          </>
        )}
        {tab === 'keys' && <KeysPanel />}
        {tab === 'tokens' && <TokensPanel />}
        {tab === 'sessions' && <SessionsPanel />}
        {tab === 'appearance' && <AppearancePanel />}
        {tab === 'notifications' && <NotificationSettings />}
      </div>
    </Page>
  );
}
