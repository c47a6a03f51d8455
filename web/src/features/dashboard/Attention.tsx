import { useQuery } from '@tanstack/react-query';
import { CircleCheck } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { MachineState } from '@/features/machines/MachineState';
import { paths } from '@/lib/paths';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Empty, Failure, Loading, sentence } from '@/ui/states';
import { attention } from './queries';

/** What an admin should look at: machines that are set aside, and cleanings that do not end. */
export function Attention() {
  const { t } = useTranslation('dashboard');
  const { data, error, refetch } = useQuery(attention);
  return (
    <Panel title={t('attention')} flush>
      {error && !data ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Loading />
      ) : data.length === 0 ? (
        <Empty title={t('attentionNone')} icon={<CircleCheck size={32} aria-hidden="true" />}>
          {t('attentionNoneText')}
        </Empty>
      ) : (
        <ul className="list-unstyled mb-0">
          {data.map((machine) => (
            <li key={machine.name} className="border-top px-4 py-2">
              <div className="d-flex flex-wrap gap-1 column-gap-3 align-items-baseline">
                <Link to={paths.machine(machine.name)} className="fw-bold">
                  {machine.name}
                </Link>
                <MachineState state={machine.state} />
                <span className="ms-auto small text-body-secondary">
                  <Moment at={machine.state_since} as="relative" />
                </span>
              </div>
              <div className="small text-body-secondary text-break">
                {sentence(machine.reason ?? machine.last_error ?? t('overdue'))}{' '}
                {machine.next_try_at && (
                  <>
                    {t('nextTry')} <Moment at={machine.next_try_at} as="relative" />.
                  </>
                )}
              </div>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
