import type { ColumnDef } from '@tanstack/react-table';
import { useMemo, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { AuditView } from '@/api/schema';
import { CopyButton } from '@/ui/CopyButton';
import { DataTable } from '@/ui/DataTable';
import { Drawer } from '@/ui/Drawer';
import { Moment } from '@/ui/Moment';
import { isKnown, targetLink } from './actions';
import type { useAudit } from './queries';

/** Who did what; the moment of an entry opens all of it. */
export function AuditTable({ audit, empty }: { audit: ReturnType<typeof useAudit>; empty: ReactNode }) {
  const { t } = useTranslation('audit');
  const [open, setOpen] = useState<AuditView | null>(null);
  const columns = useMemo(
    (): ColumnDef<AuditView>[] => [
      {
        id: 'at',
        header: t('at'),
        meta: { width: 12 },
        cell: ({ row }) => (
          <button type="button" className="btn btn-link p-0" onClick={() => setOpen(row.original)}>
            <Moment at={row.original.at} as="absolute" />
            <span className="visually-hidden">: {t('details')}</span>
          </button>
        ),
      },
      {
        id: 'actor',
        header: t('actor'),
        meta: { width: 10 },
        cell: ({ row }) => <span className="fw-bold">{row.original.actor}</span>,
      },
      {
        id: 'action',
        header: t('action'),
        meta: { width: 15 },
        cell: ({ row }) => <Action action={row.original.action} />,
      },
      {
        id: 'target',
        header: t('target'),
        meta: { from: 'md' },
        cell: ({ row }) => (
          <div className="audit-target" title={row.original.target}>
            <Target entry={row.original} />
          </div>
        ),
      },
      {
        id: 'detail',
        header: t('detail'),
        meta: { from: 'lg', grow: true },
        cell: ({ row }) => <span title={row.original.detail}>{row.original.detail}</span>,
      },
      {
        id: 'peer',
        header: t('peer'),
        meta: { from: 'xl', width: 9 },
        cell: ({ row }) => row.original.peer || '–',
      },
    ],
    [t],
  );
  return (
    <>
      <DataTable
        rows={audit.items}
        columns={columns}
        id={(entry) => entry.id}
        label={t('title')}
        error={audit.error}
        retry={() => void audit.refetch()}
        empty={empty}
        more={audit.hasNextPage && !audit.isFetchingNextPage ? () => void audit.fetchNextPage() : null}
      />
      {open && <Entry entry={open} close={() => setOpen(null)} />}
    </>
  );
}

function Action({ action }: { action: string }) {
  const { t } = useTranslation('audit');
  if (!isKnown(action)) return <code className="text-body">{action}</code>;
  return <span title={action}>{t(`did.${action}`)}</span>;
}

function Target({ entry }: { entry: AuditView }) {
  const to = targetLink(entry);
  if (!entry.target) return <>–</>;
  return to ? <Link to={to}>{entry.target}</Link> : <>{entry.target}</>;
}

function Entry({ entry, close }: { entry: AuditView; close: () => void }) {
  const { t } = useTranslation('audit');
  return (
    <Drawer title={isKnown(entry.action) ? t(`did.${entry.action}`) : entry.action} close={close}>
      <dl className="facts">
        <dt>{t('at')}</dt>
        <dd>
          <Moment at={entry.at} />
        </dd>
        <dt>{t('actor')}</dt>
        <dd className="fw-bold">{entry.actor}</dd>
        <dt>{t('action')}</dt>
        <dd>
          <code className="text-body">{entry.action}</code>
        </dd>
        <dt>{t('target')}</dt>
        <dd>
          <Target entry={entry} />
        </dd>
        <dt>{t('detail')}</dt>
        <dd>{entry.detail || '–'}</dd>
        <dt>{t('peer')}</dt>
        <dd>{entry.peer || '–'}</dd>
        <dt>{t('request')}</dt>
        <dd>
          {entry.request_id ? (
            <span className="d-inline-flex gap-2 align-items-center">
              <code className="text-body text-break user-select-all">{entry.request_id}</code>
              <CopyButton text={entry.request_id} />
            </span>
          ) : (
            t('itself')
          )}
        </dd>
        <dt>{t('entry')}</dt>
        <dd>
          <code className="text-body text-break user-select-all">{entry.id}</code>
        </dd>
      </dl>
    </Drawer>
  );
}
