import type { ColumnDef } from '@tanstack/react-table';
import type { TFunction } from 'i18next';
import { useMemo, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useMe, type Me } from '@/api/session';
import type { HolderView, MachineView } from '@/api/schema';
import { useLanguage } from '@/lib/i18n';
import { paths } from '@/lib/paths';
import { useHalfMinute } from '@/lib/time';
import { DataTable } from '@/ui/DataTable';
import { Ago, Countdown } from '@/ui/Moment';
import { Labels, Tone } from '@/ui/Tone';
import { inOrder } from './filter';
import { healthOf, LOOKS, STATES } from './state';

const place = new Map(STATES.map((state, i) => [state, i]));

/** Rows are made by the dozen while the table is scrolled: plain links, and nothing that listens or counts by itself. */
function columnsFor(
  t: TFunction<'machines'>,
  me: Me,
  language: string,
  now: number,
): ColumnDef<MachineView>[] {
  return [
    {
      id: 'name',
      header: t('name'),
      accessorFn: ({ name }) => name,
      enableSorting: true,
      sortingFn: (a, b) => inOrder(a.original.name, b.original.name),
      cell: ({ row: { original } }) => <a href={paths.machine(original.name)}>{original.name}</a>,
      meta: { width: 10.5 },
    },
    {
      id: 'state',
      header: t('state'),
      accessorFn: ({ state }) => place.get(state) ?? 0,
      enableSorting: true,
      cell: ({ row: { original } }) => <StateCell machine={original} t={t} />,
      meta: { width: 9 },
    },
    {
      id: 'pool',
      header: t('pool'),
      accessorFn: ({ pool }) => pool,
      enableSorting: true,
      cell: ({ row: { original } }) => original.pool,
      meta: { from: 'xl', width: 6.5 },
    },
    {
      id: 'labels',
      header: t('labels'),
      cell: ({ row: { original } }) => <Labels labels={original.labels} inLine />,
      meta: { from: 'xl' },
    },
    {
      id: 'holder',
      header: t('holder'),
      accessorFn: ({ holder }) => holder?.username ?? '',
      enableSorting: true,
      cell: ({ row: { original } }) => original.holder && <Holder holder={original.holder} me={me} t={t} />,
      meta: { from: 'sm', width: 10.5 },
    },
    ...(me.isAdmin
      ? [
          {
            id: 'host',
            header: t('host'),
            accessorFn: ({ host }: MachineView) => host ?? '',
            sortingFn: (a, b) => inOrder(a.original.host ?? '', b.original.host ?? ''),
            enableSorting: true,
            cell: ({ row: { original } }) => <span className="numbers">{addressOf(original)}</span>,
            meta: { from: 'xxl', width: 9.5 },
          } satisfies ColumnDef<MachineView>,
        ]
      : []),
    {
      id: 'lastCheck',
      header: t('lastCheck'),
      accessorFn: ({ last_check_at: at }) => at ?? '',
      enableSorting: true,
      cell: ({ row: { original } }) =>
        original.last_check_at ? (
          <Ago at={original.last_check_at} language={language} from={now} />
        ) : (
          t('never')
        ),
      meta: { from: 'lg', width: 9.5 },
    },
  ];
}

/** `host`, or `host:port` when the port is not the usual one. */
export function addressOf({ host, port }: MachineView): string {
  if (!host) return '';
  if (!port || port === 22) return host;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function StateCell({ machine, t }: { machine: MachineView; t: TFunction<'machines'> }) {
  const { tone, moving } = LOOKS[machine.state];
  const sick = healthOf(machine) === 'unwell' && machine.state !== 'quarantined';
  return (
    <span title={machine.reason ?? undefined}>
      <Tone tone={tone} moving={moving}>
        {t(`states.${machine.state}`)}
      </Tone>
      {sick && (
        <span className="tone tone-bad ms-2" title={machine.last_error ?? undefined}>
          {t('healths.unwell')}
        </span>
      )}
    </span>
  );
}

function Holder({ holder, me, t }: { holder: HolderView; me: Me; t: TFunction<'machines'> }) {
  return (
    <a href={paths.reservation(holder.reservation_id)} className="text-body">
      {holder.username === me.username ? t('youHold') : holder.username}
      <span className="text-body-secondary">
        {' · '}
        <Countdown until={holder.until} ended={t('ended')} />
      </span>
    </a>
  );
}

/** Machines as a table of any length. */
export function MachinesTable({
  machines,
  empty,
  error,
  retry,
}: {
  machines: MachineView[] | undefined;
  empty: ReactNode;
  error?: Error | null;
  retry?: () => void;
}) {
  const { t } = useTranslation('machines');
  const { username, role, isAdmin } = useMe();
  const language = useLanguage();
  const now = useHalfMinute();
  const columns = useMemo(
    () => columnsFor(t, { username, role, isAdmin }, language, now),
    [t, username, role, isAdmin, language, now],
  );
  return (
    <DataTable
      rows={machines}
      columns={columns}
      id={nameOf}
      label={t('title')}
      error={error ?? null}
      retry={retry}
      empty={empty}
      fixed
    />
  );
}

function nameOf(machine: MachineView): string {
  return machine.name;
}
