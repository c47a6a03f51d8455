import { useTranslation } from 'react-i18next';
import { Link, useParams } from 'react-router';
import { RunGrid } from '@/features/provisioning/RunGrid';
import { RunLog } from '@/features/provisioning/RunLog';
import { MachineNames } from '@/features/provisioning/RunTable';
import { CountsText, RunTone, Took } from '@/features/provisioning/words';
import { useRun } from '@/features/provisioning/queries';
import { total } from '@/features/provisioning/state';
import { paths } from '@/lib/paths';
import { Moment } from '@/ui/Moment';
import { Page, Panel } from '@/ui/Page';
import { Failure, Loading, sentence } from '@/ui/states';

export default function RunPage() {
  const { t, i18n } = useTranslation('runs');
  const { id = '' } = useParams();
  const { data: run, error, refetch } = useRun(id);
  if (!run) {
    return (
      <Page title={t('one')} above={<Link to={paths.runs}>{t('title')}</Link>}>
        {error ? <Failure error={error} retry={() => void refetch()} /> : <Loading lines={8} />}
      </Page>
    );
  }
  const name = t(`kind.${run.kind}`);
  const counts = total(run.summary);
  return (
    <Page
      title={
        <span className="d-inline-flex flex-wrap align-items-baseline column-gap-3">
          {name}
          <span className="fs-3 fw-normal">
            <RunTone state={run.state} />
          </span>
        </span>
      }
      tab={`${name} · ${run.machines.slice(0, 3).join(', ')}`}
      above={<Link to={paths.runs}>{t('title')}</Link>}
    >
      <div className="d-grid gap-4 grid-content">
        <Panel>
          {run.error && (
            <div className="alert alert-danger py-2" role="alert">
              {sentence(run.error)}
            </div>
          )}
          {run.state === 'lost' && <div className="alert alert-warning py-2">{t('lostText')}</div>}
          <dl className="run-facts">
            <div>
              <dt>{t('column.machines')}</dt>
              <dd>
                <MachineNames names={run.machines} />
              </dd>
            </div>
            <div>
              <dt>{t('column.playbook')}</dt>
              <dd>
                <code className="text-body" title={run.playbook}>
                  {run.playbook.replace(/^.*\//, '')}
                </code>
              </dd>
            </div>
            <div>
              <dt>{t('column.reservation')}</dt>
              <dd>
                <Link to={paths.reservation(run.reservation_id)} className="font-monospace">
                  {run.reservation_id.slice(-6)}
                </Link>
              </dd>
            </div>
            <div>
              <dt>{t('column.started')}</dt>
              <dd>
                <Moment at={run.started_at} />
              </dd>
            </div>
            <div>
              <dt>{t('column.took')}</dt>
              <dd>
                <Took run={run} />
              </dd>
            </div>
            <div>
              <dt>{t('column.counts')}</dt>
              <dd>{counts ? <CountsText counts={counts} /> : '–'}</dd>
            </div>
            <div>
              <dt>{t('column.lines')}</dt>
              <dd className="numbers">{run.lines.toLocaleString(i18n.language)}</dd>
            </div>
          </dl>
        </Panel>
        <RunGrid run={run} />
        <RunLog run={run} />
      </div>
    </Page>
  );
}
