import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { paths } from '@/lib/paths';
import { Button } from '@/ui/Button';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Failure, Loading, sentence } from '@/ui/states';
import { Tone, type ToneName } from '@/ui/Tone';
import { MachineState } from './MachineState';
import { useMovesOf, useRunsOf } from './queries';

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
                <th scope="col" className="d-none d-sm-table-cell">
                  {t('kind')}
                </th>
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
                  <td className="d-none d-sm-table-cell">
                    {t(`kinds.${run.kind}`, { defaultValue: run.kind })}
                  </td>
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

/** Where the machine was, the newest first, down to its registration. */
export function HistoryPanel({ machine, createdAt }: { machine: string; createdAt: string }) {
  const { t } = useTranslation('machines');
  const past = useMovesOf(machine);
  return (
    <Panel title={t('history')} flush>
      {past.error && !past.items ? (
        <Failure error={past.error} retry={() => void past.refetch()} />
      ) : !past.items ? (
        <Loading lines={3} />
      ) : (
        <ol className="past">
          {past.items.map((move) => (
            <li key={move.id}>
              <span>
                <MachineState state={move.to} still />{' '}
                <span className="text-body-secondary">
                  {t('movedFrom', { state: t(`states.${move.from}`) })}
                </span>{' '}
                {move.reservation_id && (
                  <Link to={paths.reservation(move.reservation_id)}>
                    {move.holder ? t('reservationOf', { name: move.holder }) : t('reservation')}
                  </Link>
                )}
                {move.reason && (
                  <span className="d-block small text-body-secondary">{sentence(move.reason)}</span>
                )}
              </span>
              <span className="small text-body-secondary">
                <Moment at={move.at} />
              </span>
            </li>
          ))}
          {!past.hasNextPage && (
            <li>
              <span className="text-body-secondary">{t('registeredThen')}</span>
              <span className="small text-body-secondary">
                <Moment at={createdAt} />
              </span>
            </li>
          )}
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
