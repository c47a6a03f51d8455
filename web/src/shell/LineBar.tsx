import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { line } from '@/api/live';
import { useStore } from '@/lib/store';
import { relative, useSecond } from '@/lib/time';

/** How long a cut may last before it is spoken of. */
const PATIENCE = 2500;

/** Tells when the page does not hear from the server, and how old what it shows is. */
export function LineBar() {
  const { t, i18n } = useTranslation('shell');
  const { state, heardAt } = useStore(line);
  const now = useSecond();
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = () => setOnline(navigator.onLine);
    window.addEventListener('online', look);
    window.addEventListener('offline', look);
    return () => {
      window.removeEventListener('online', look);
      window.removeEventListener('offline', look);
    };
  }, []);
  const age = relative(heardAt, i18n.language, now);
  if (!online) return <Bar tone="bad">{t('offlineNow', { age })}</Bar>;
  if (state === 'live') return null;
  if (state === 'polling') return <Bar tone="off">{t('polling')}</Bar>;
  if (now - heardAt < PATIENCE) return null;
  return (
    <Bar tone={state === 'offline' ? 'bad' : 'busy'}>
      {state === 'offline' ? t('offline', { age }) : t('connecting')}
    </Bar>
  );
}

function Bar({ tone, children }: { tone: 'bad' | 'busy' | 'off'; children: string }) {
  return (
    <div className={`notice-bar tone-${tone}`} role="status" data-testid="line-bar">
      {children}
    </div>
  );
}
