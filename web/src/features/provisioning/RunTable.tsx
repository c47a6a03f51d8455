import type { ColumnDef } from '@tanstack/react-table';
import { useMemo, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { RunView } from '@/api/schema';
import { paths } from '@/lib/paths';
import { DataTable } from '@/ui/DataTable';
import { Moment } from '@/ui/Moment';
import { byName } from './grid';
import { total } from './state';
import { CountsText, RunTone, Took } from './words';

export function RunTable({
  rows,
  error,
  retry,
  empty,
  more,
}: {
  rows: RunView[] | undefined;
  error: Error | null;
  retry: () => void;
  empty: ReactNode;
  more: (() => void) | null;
}) {
  const { t } = useTranslation('runs');
  const columns = useMemo(
    (): ColumnDef<RunView>[] => [
      {
        id: 'kind',
        header: t('column.kind'),
        cell: ({ row }) => (
          <Link to={paths.run(row.original.id)} className="fw-semibold text-decoration-none">
            {t(`kind.${row.original.kind}`)}
          </Link>
        ),
      },
      { id: 'state', header: t('column.state'), cell: ({ row }) => <RunTone state={row.original.state} /> },
      {
        id: 'machines',
        header: t('column.machines'),
        cell: ({ row }) => <MachineNames names={row.original.machines} />,
      },
      {
        id: 'counts',
        header: t('column.counts'),
        cell: ({ row }) => {
          const counts = total(row.original.summary);
          return counts && <CountsText counts={counts} />;
        },
        meta: { from: 'lg' },
      },
      {
        id: 'started',
        header: t('column.started'),
        cell: ({ row }) => <Moment at={row.original.started_at} as="relative" />,
        meta: { from: 'sm' },
      },
      {
        id: 'took',
        header: t('column.took'),
        cell: ({ row }) => <Took run={row.original} />,
        meta: { end: true, from: 'sm' },
      },
      {
        id: 'reservation',
        header: t('column.reservation'),
        cell: ({ row }) => (
          <Link to={paths.reservation(row.original.reservation_id)} className="font-monospace">
            {row.original.reservation_id.slice(-6)}
          </Link>
        ),
        meta: { from: 'xl' },
      },
    ],
    [t],
  );
  return (
    <DataTable
      rows={rows}
      columns={columns}
      id={(row) => row.id}
      label={t('title')}
      error={error}
      retry={retry}
      empty={empty}
      more={more}
    />
  );
}

export function MachineNames({ names }: { names: string[] }) {
  const { t } = useTranslation('runs');
  const sorted = [...names].sort(byName);
  const shown = sorted.slice(0, 3).join(', ');
  return (
    <span title={sorted.slice(0, 50).join(', ')}>
      {names.length > 3 ? t('namesAndMore', { names: shown, count: names.length - 3 }) : shown}
    </span>
  );
}
