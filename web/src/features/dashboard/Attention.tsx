import { useQuery } from '@tanstack/react-query';
import { CircleCheck } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { api, body } from '@/api/client';
import type { MachineView, State } from '@/api/schema';
import { MachineState } from '@/features/machines/MachineState';
import { paths } from '@/lib/paths';
import { now } from '@/lib/time';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Empty, Failure, Loading, sentence } from '@/ui/states';

/** A cleaning that takes longer than this has met something. */
const PATIENCE = 10 * 60_000;
const CLEANING: State[] = ['draining', 'cleaning', 'verifying'];

async function machinesIn(state: State, signal: AbortSignal): Promise<MachineView[]> {
  return (await body(api.GET('/api/machines', { params: { query: { state, limit: 50 } }, signal }))).items;
}

function isOverdue(machine: MachineView): boolean {
  return machine.attempts > 1 || PATIENCE < now() - Date.parse(machine.state_since);
}

/** What an admin should look at: machines that are set aside, and cleanings that do not end. */
export function Attention() {
  const { t } = useTranslation('dashboard');
  const { data, error, refetch } = useQuery({
    queryKey: ['machines', 'attention'],
    queryFn: async ({ signal }) => {
      const lists = await Promise.all(
        (['quarantined', ...CLEANING] as State[]).map((state) => machinesIn(state, signal)),
      );
      return lists.flat().filter((machine) => machine.state === 'quarantined' || isOverdue(machine));
    },
    refetchInterval: 60_000,
  });
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
