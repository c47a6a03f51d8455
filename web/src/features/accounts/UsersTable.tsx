import type { ColumnDef } from '@tanstack/react-table';
import { UserCheck } from 'lucide-react';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useSearchParams } from 'react-router';
import type { UserView } from '@/api/schema';
import { useMe } from '@/api/session';
import { Button } from '@/ui/Button';
import { DataTable } from '@/ui/DataTable';
import { Moment } from '@/ui/Moment';
import { Empty, sentence } from '@/ui/states';
import { Tone } from '@/ui/Tone';
import { say } from '@/ui/toasts';
import { updateUser, type useUsers } from './queries';
import { statusTone } from './state';

/** People as rows; a name opens its details. */
export function UsersTable({
  users,
  rows,
  clear,
}: {
  users: ReturnType<typeof useUsers>;
  /** Those of them that are asked for. */
  rows: UserView[] | undefined;
  clear: () => void;
}) {
  const { t } = useTranslation(['people', 'common']);
  const me = useMe();
  const columns = useMemo(
    (): ColumnDef<UserView>[] => [
      {
        id: 'username',
        header: t('username'),
        accessorFn: (user) => user.username,
        enableSorting: true,
        cell: ({ row: { original: user } }) => (
          <>
            <ToUser username={user.username} />
            {user.username === me.username && <span className="tag ms-2">{t('you')}</span>}
          </>
        ),
      },
      {
        id: 'full_name',
        header: t('fullName'),
        accessorFn: (user) => user.full_name.toLowerCase(),
        enableSorting: true,
        meta: { from: 'md' },
        cell: ({ row }) => row.original.full_name || '–',
      },
      {
        id: 'role',
        header: t('role'),
        accessorFn: (user) => user.role,
        enableSorting: true,
        meta: { from: 'sm', width: 9 },
        cell: ({ row }) => t(`common:role.${row.original.role}`),
      },
      {
        id: 'status',
        header: t('state'),
        accessorFn: (user) => user.status,
        enableSorting: true,
        meta: { width: 11 },
        cell: ({ row }) => (
          <Tone tone={statusTone[row.original.status]}>{t(`status.${row.original.status}`)}</Tone>
        ),
      },
      {
        id: 'last_login_at',
        header: t('lastLogin'),
        accessorFn: (user) => user.last_login_at ?? '',
        enableSorting: true,
        meta: { from: 'lg', width: 11 },
        cell: ({ row }) =>
          row.original.last_login_at ? (
            <Moment at={row.original.last_login_at} as="relative" />
          ) : (
            <span className="text-body-secondary">{t('never')}</span>
          ),
      },
      {
        id: 'created_at',
        header: t('since'),
        accessorFn: (user) => user.created_at,
        enableSorting: true,
        meta: { from: 'xl', width: 13 },
        cell: ({ row }) => <Moment at={row.original.created_at} as="absolute" />,
      },
      {
        id: 'act',
        header: () => <span className="visually-hidden">{t('actions')}</span>,
        meta: { end: true, width: 7 },
        cell: ({ row }) => row.original.status === 'pending' && <Approve user={row.original} />,
      },
    ],
    [t, me.username],
  );
  return (
    <DataTable
      rows={rows}
      columns={columns}
      id={(user) => user.username}
      label={t('title')}
      error={users.error}
      retry={() => void users.refetch()}
      sort={[{ id: 'username', desc: false }]}
      empty={
        <Empty title={t('noneFound')} action={<Button onClick={clear}>{t('common:clear')}</Button>}>
          {t('noneFoundText')}
        </Empty>
      }
    />
  );
}

function ToUser({ username }: { username: string }) {
  const [query] = useSearchParams();
  const to = new URLSearchParams(query);
  to.set('user', username);
  return (
    <Link to={{ search: to.toString() }} className="fw-bold">
      {username}
    </Link>
  );
}

/** Lets somebody in who asked for an account. */
export function Approve({ user }: { user: UserView }) {
  const { t } = useTranslation('people');
  return (
    <Button
      small
      look="primary"
      aria-label={t('approveThat', { name: user.username })}
      icon={<UserCheck size={14} aria-hidden="true" />}
      onClick={async () => {
        try {
          await updateUser(user.username, { status: 'active' });
          say(t('approved', { name: user.username }));
        } catch (error) {
          say(sentence((error as Error).message), 'bad');
        }
      }}
    >
      <span className="d-none d-sm-inline">{t('approve')}</span>
    </Button>
  );
}
