import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { NewsText } from '@/features/notifications/NewsText';
import { paths } from '@/lib/paths';
import { Button } from '@/ui/Button';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Failure, Loading } from '@/ui/states';
import { Tone, type ToneName } from '@/ui/Tone';
import { useHistoryOf, useRunsOf } from './queries';

const RUN_TONES: Record<string, ToneName> = {
  running: 'busy',
  succeeded: 'good',
  failed: 'bad',
  lost: 'bad',
};

/** The playbooks that ran on the machine, the newest first. */
export function RunsPanel({ machine }: { machine: string }) {
  const { t } = useTranslation('machines');
  const runs = useRunsOf(machine);
  return (
    <Panel title={t('runs')} flush>
      {runs.error && !runs.items ? (
        <Failure error={runs.error} retry={() => void runs.refetch()} />
      ) : !runs.items ? (
        <Loading lines={3} />
      ) : runs.items.length === 0 ? (
        <p className="text-body-secondary px-4 pb-4 mb-0">{t('noRuns')}</p>
      ) : (
        <div className="table-responsive">
          <table className="table plain-table">
            <thead>
              <tr>
                <th scope="col">{t('playbook')}</th>
                <th scope="col">{t('kind')}</th>
                <th scope="col">{t('state')}</th>
                <th scope="col">{t('started')}</th>
              </tr>
            </thead>
            <tbody>
              {runs.items.map((run) => (
                <tr key={run.id}>
                  <td>
                    <Link to={paths.run(run.id)}>{run.playbook}</Link>
                  </td>
                  <td>{t(`kinds.${run.kind}`, { defaultValue: run.kind })}</td>
                  <td>
                    <Tone tone={RUN_TONES[run.state] ?? 'off'} moving={run.state === 'running'}>
                      {t(`runStates.${run.state}`, { defaultValue: run.state })}
                    </Tone>
                  </td>
                  <td>
                    <Moment at={run.started_at} as="relative" />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <Older list={runs} />
    </Panel>
  );
}

/** What happened to the machine, the newest first. */
export function HistoryPanel({ machine }: { machine: string }) {
  const { t } = useTranslation('machines');
  const past = useHistoryOf(machine);
  return (
    <Panel title={t('history')} flush>
      {past.error && !past.items ? (
        <Failure error={past.error} retry={() => void past.refetch()} />
      ) : !past.items ? (
        <Loading lines={3} />
      ) : past.items.length === 0 ? (
        <p className="text-body-secondary px-4 pb-4 mb-0">{t('noHistory')}</p>
      ) : (
        <ol className="past">
          {past.items.map((event) => (
            <li key={event.id}>
              <span>
                <NewsText event={event} full />{' '}
                {event.reservation_id && (
                  <Link to={paths.reservation(event.reservation_id)}>{t('reservation')}</Link>
                )}
              </span>
              <span className="small text-body-secondary">
                <Moment at={event.at} />
              </span>
            </li>
          ))}
        </ol>
      )}
      <Older list={past} />
    </Panel>
  );
}

function Older({
  list,
}: {
  list: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
}) {
  const { t } = useTranslation('machines');
  if (!list.hasNextPage) return null;
  return (
    <div className="px-4 pb-3">
      <Button small busy={list.isFetchingNextPage} onClick={list.fetchNextPage}>
        {t('older')}
      </Button>
    </div>
  );
}
