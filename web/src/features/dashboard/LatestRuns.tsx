import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { RunTone } from '@/features/provisioning/words';
import { paths } from '@/lib/paths';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Empty, Failure, Loading } from '@/ui/states';
import { latestRuns } from './queries';

/** The newest runs: one's own, or for admins all. */
export function LatestRuns() {
  const { t } = useTranslation(['dashboard', 'runs']);
  const { data, error, refetch } = useQuery(latestRuns);
  return (
    <Panel title={t('runs')} actions={<Link to={paths.runs}>{t('seeAll')}</Link>} flush>
      {error && !data ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Loading />
      ) : data.items.length === 0 ? (
        <Empty title={t('runsNone')}>{t('runsNoneText')}</Empty>
      ) : (
        <ul className="list-unstyled mb-0">
          {data.items.map((run) => (
            <li
              key={run.id}
              className="border-top px-4 py-2 d-flex flex-wrap gap-1 column-gap-3 align-items-baseline"
            >
              <Link to={paths.run(run.id)}>{t(`runs:kind.${run.kind}`)}</Link>
              <RunTone state={run.state} />
              <span className="small text-body-secondary text-truncate">{run.machines.join(', ')}</span>
              <span className="ms-auto small text-body-secondary">
                <Moment at={run.started_at} as="relative" />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
