import { CalendarPlus } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Link, useParams } from 'react-router';
import { useMe } from '@/api/session';
import { MachineActions } from '@/features/machines/MachineActions';
import { FactsPanel, ReachPanel, StatePanel } from '@/features/machines/MachinePanels';
import { HistoryPanel, RunsPanel } from '@/features/machines/MachinePast';
import { useMachine } from '@/features/machines/queries';
import { paths } from '@/lib/paths';
import { ButtonLink } from '@/ui/Button';
import { Page } from '@/ui/Page';
import { Failure, Loading } from '@/ui/states';

export default function MachinePage() {
  const { t } = useTranslation('machines');
  const { isAdmin } = useMe();
  const { name = '' } = useParams();
  const machine = useMachine(name);
  const above = <Link to={paths.machines}>{t('title')}</Link>;
  if (!machine.data) {
    return (
      <Page title={name} above={above}>
        <div className="card">
          {machine.error ? (
            <Failure error={machine.error} retry={() => void machine.refetch()} />
          ) : (
            <Loading label={name} />
          )}
        </div>
      </Page>
    );
  }
  const labels = Object.entries(machine.data.labels).map(([key, value]) => `${key}=${value}`);
  return (
    <Page
      title={name}
      above={above}
      actions={
        isAdmin ? (
          <MachineActions machine={machine.data} />
        ) : (
          machine.data.state === 'ready' && (
            <ButtonLink
              to={paths.reserve(labels)}
              look="primary"
              icon={<CalendarPlus size={16} aria-hidden="true" />}
            >
              {t('reserveThis')}
            </ButtonLink>
          )
        )
      }
    >
      <div className="row g-4">
        <div className="col-lg-7 d-flex flex-column gap-4">
          <StatePanel machine={machine.data} />
          <RunsPanel machine={name} />
          <HistoryPanel machine={name} createdAt={machine.data.created_at} />
        </div>
        <div className="col-lg-5 d-flex flex-column gap-4">
          <ReachPanel machine={machine.data} />
          <FactsPanel machine={machine.data} />
        </div>
      </div>
    </Page>
  );
}
