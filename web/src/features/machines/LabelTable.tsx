import type { ColumnDef } from '@tanstack/react-table';
import { Tag } from 'lucide-react';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { MachineView } from '@/api/schema';
import { paths } from '@/lib/paths';
import { ButtonLink } from '@/ui/Button';
import { DataTable } from '@/ui/DataTable';
import { Empty } from '@/ui/states';
import { inOrder, queryOf } from './filter';
import { labelRowsOf, type LabelRow } from './map';

/** What can be had, by label and value. */
export function LabelTable({ machines }: { machines: MachineView[] | undefined }) {
  const { t } = useTranslation('available');
  const rows = useMemo(() => machines && labelRowsOf(machines), [machines]);
  const columns = useMemo<ColumnDef<LabelRow>[]>(
    () => [
      {
        id: 'label',
        header: t('label'),
        enableSorting: true,
        accessorFn: labelOf,
        sortingFn: (a, b) => inOrder(labelOf(a.original), labelOf(b.original)),
        cell: ({ row: { original } }) => <Link to={machinesWith(original)}>{labelOf(original)}</Link>,
      },
      {
        id: 'free',
        header: t('share'),
        enableSorting: true,
        accessorFn: ({ free }) => free,
        cell: ({ row: { original } }) => <Share row={original} />,
        meta: { width: 6.5 },
      },
      count('busy', t('inUse'), ({ busy }) => busy),
      count('aside', t('aside'), ({ total, free, busy }) => total - free - busy),
      count('total', t('total'), ({ total }) => total),
      {
        id: 'reserve',
        header: () => <span className="visually-hidden">{t('reserve')}</span>,
        cell: ({ row: { original } }) => (
          <ButtonLink
            small
            to={paths.reserve([labelOf(original)])}
            refused={original.free === 0 && t('noneFree')}
          >
            {t('reserve')}
            <span className="visually-hidden"> {labelOf(original)}</span>
          </ButtonLink>
        ),
        meta: { end: true, width: 6.5 },
      },
    ],
    [t],
  );
  return (
    <DataTable
      rows={rows}
      columns={columns}
      id={labelOf}
      label={t('table')}
      fixed
      empty={
        <div className="card">
          <Empty title={t('noLabels')} icon={<Tag size={32} aria-hidden="true" />}>
            {t('noLabelsText')}
          </Empty>
        </div>
      }
    />
  );
}

function labelOf({ name, value }: LabelRow): string {
  return `${name}=${value}`;
}

function machinesWith(row: LabelRow): string {
  const query = queryOf({ text: '', states: [], labels: [labelOf(row)], pool: '', health: '' });
  return `${paths.machines}?${query}`;
}

function count(id: string, header: string, of: (row: LabelRow) => number): ColumnDef<LabelRow> {
  return {
    id,
    header,
    enableSorting: true,
    accessorFn: of,
    cell: ({ row: { original } }) => of(original),
    meta: { end: true, from: 'md', width: 8 },
  };
}

function Share({ row: { free, total } }: { row: LabelRow }) {
  return (
    <span className="share numbers">
      <span className="share-bar" aria-hidden="true">
        <span style={{ width: `${(free / Math.max(total, 1)) * 100}%` }} />
      </span>
      {free} / {total}
    </span>
  );
}
