import { LogOut, MonitorSmartphone } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { SessionView } from '@/api/schema';
import { Button } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Empty, Failure, Loading } from '@/ui/states';
import { Tone } from '@/ui/Tone';
import { say } from '@/ui/toasts';
import { deviceOf } from './device';
import { endSessionById, signOutEverywhere, useSessions } from './queries';

/** Where one is signed in. */
export function SessionsPanel() {
  const { t } = useTranslation('settings');
  const sessions = useSessions();
  const [ending, setEnding] = useState<SessionView | null>(null);
  const [everywhere, setEverywhere] = useState(false);
  // The one that looks comes first.
  const rows = sessions.data?.toSorted((a, b) => Number(b.current) - Number(a.current));
  return (
    <Panel
      title={t('sessions.title')}
      actions={
        rows?.length ? (
          <Button
            small
            look="outline-danger"
            icon={<LogOut size={16} aria-hidden="true" />}
            onClick={() => setEverywhere(true)}
          >
            {t('sessions.everywhere')}
          </Button>
        ) : null
      }
      flush
    >
      {rows === undefined ? (
        sessions.isError ? (
          <Failure error={sessions.error} retry={() => void sessions.refetch()} />
        ) : (
          <Loading lines={3} />
        )
      ) : rows.length === 0 ? (
        <Empty title={t('sessions.none')} icon={<MonitorSmartphone size={32} aria-hidden="true" />}>
          {t('sessions.noneText')}
        </Empty>
      ) : (
        <>
          <p className="text-body-secondary px-4 mb-2">{t('sessions.lead')}</p>
          <ul className="rows">
            {rows.map((one) => (
              <li key={one.id}>
                <div className="min-w-0 me-auto">
                  <div className="d-flex flex-wrap gap-2">
                    <span className="fw-bold" title={one.user_agent}>
                      <Device agent={one.user_agent} />
                    </span>
                    {one.current && <Tone tone="good">{t('sessions.current')}</Tone>}
                  </div>
                  <div className="small text-body-secondary">
                    {one.peer} · {t('sessions.began')} <Moment at={one.created_at} as="absolute" /> ·{' '}
                    {t('sessions.used')} <Moment at={one.last_used_at} as="relative" />
                  </div>
                </div>
                <Button
                  small
                  onClick={() => setEnding(one)}
                  refused={one.current ? t('sessions.currentRefused') : null}
                >
                  {t('sessions.end')}
                </Button>
              </li>
            ))}
          </ul>
        </>
      )}
      {ending && (
        <Confirm
          title={t('sessions.endTitle')}
          action={t('sessions.end')}
          act={async () => {
            await endSessionById(ending.id);
            say(t('sessions.ended'));
          }}
          close={() => setEnding(null)}
        >
          <p className="mb-1 fw-bold">
            <Device agent={ending.user_agent} />, {ending.peer}
          </p>
          <p className="mb-0">{t('sessions.endText')}</p>
        </Confirm>
      )}
      {everywhere && (
        <Confirm
          title={t('sessions.everywhereTitle')}
          action={t('sessions.everywhere')}
          act={signOutEverywhere}
          close={() => setEverywhere(false)}
        >
          {t('sessions.everywhereText')}
        </Confirm>
      )}
    </Panel>
  );
}

function Device({ agent }: { agent: string }) {
  const { t } = useTranslation('settings');
  const { program, system } = deviceOf(agent);
  if (!program) return <>{t('sessions.unknown')}</>;
  return <>{system ? t('sessions.device', { program, system }) : program}</>;
}
