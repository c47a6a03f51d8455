import type { ColumnDef } from '@tanstack/react-table';
import { useMemo, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { ReservationView } from '@/api/schema';
import { spanText } from '@/lib/span';
import { DataTable } from '@/ui/DataTable';
import { Labels } from '@/ui/Tone';
import { ReservationLink, StateTone, WhenCell, shortId } from './words';

export function ReservationTable({
  rows,
  owners,
  error,
  retry,
  empty,
  more,
}: {
  rows: ReservationView[] | undefined;
  /** Whose they are is told, too. */
  owners: boolean;
  error: Error | null;
  retry: () => void;
  empty: ReactNode;
  more: (() => void) | null;
}) {
  const { t, i18n } = useTranslation('reservations');
  const columns = useMemo(() => {
    const all: ColumnDef<ReservationView>[] = [
      {
        id: 'name',
        header: t('column.machines'),
        cell: ({ row }) => <ReservationLink reservation={row.original} />,
      },
      { id: 'state', header: t('column.state'), cell: ({ row }) => <StateTone state={row.original.state} /> },
      { id: 'when', header: t('column.when'), cell: ({ row }) => <WhenCell reservation={row.original} /> },
      {
        id: 'owner',
        header: t('column.owner'),
        accessorKey: 'owner',
        meta: { from: 'sm' },
      },
      {
        id: 'count',
        header: t('column.count'),
        accessorKey: 'count',
        meta: { from: 'md', end: true },
      },
      {
        id: 'pool',
        header: t('column.pool'),
        cell: ({ row }) => (
          <>
            {row.original.pool}{' '}
            {Object.keys(row.original.labels).length > 0 && <Labels labels={row.original.labels} />}
          </>
        ),
        meta: { from: 'lg' },
      },
      {
        id: 'duration',
        header: t('column.duration'),
        cell: ({ row }) => spanText(row.original.duration_minutes, i18n.language),
        meta: { from: 'lg', end: true },
      },
      {
        id: 'id',
        header: t('column.id'),
        cell: ({ row }) => (
          <code className="text-body-secondary" title={row.original.id}>
            {shortId(row.original.id)}
          </code>
        ),
        meta: { from: 'xl' },
      },
    ];
    return owners ? all : all.filter((column) => column.id !== 'owner');
  }, [t, i18n.language, owners]);
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
