import { UserPlus } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { NewUser } from '@/features/accounts/NewUser';
import { useUsers } from '@/features/accounts/queries';
import { matches } from '@/features/accounts/state';
import { UserDrawer } from '@/features/accounts/UserDrawer';
import { UsersTable } from '@/features/accounts/UsersTable';
import { useUrlText } from '@/lib/url';
import { Button } from '@/ui/Button';
import { TextField } from '@/ui/fields';
import { Page } from '@/ui/Page';
import { Tabs, useTab } from '@/ui/Tabs';

export default function UsersPage() {
  const { t } = useTranslation(['people', 'common']);
  const users = useUsers();
  const [search, setSearch] = useUrlText('q');
  const [open, setOpen] = useUrlText('user');
  const [creating, setCreating] = useState(false);
  const found = users.items?.filter((user) => matches(user, search));
  const tabs = [
    { key: 'all', text: t('common:all'), count: found?.length },
    ...(['active', 'pending', 'suspended'] as const).map((status) => ({
      key: status,
      text: t(`status.${status}`),
      count: found?.filter((user) => user.status === status).length,
    })),
  ];
  const tab = useTab(tabs, 'status');
  return (
    <Page
      title={t('title')}
      lead={t('lead')}
      actions={
        <Button
          look="primary"
          icon={<UserPlus size={16} aria-hidden="true" />}
          onClick={() => setCreating(true)}
        >
          {t('new')}
        </Button>
      }
    >
      <Tabs tabs={tabs} label={t('state')} name="status" />
      <TextField
        label={t('common:search')}
        type="search"
        value={search}
        onChange={setSearch}
        placeholder={t('searchHint')}
        className="mb-3 filter"
      />
      <UsersTable
        users={users}
        rows={found?.filter((user) => tab === 'all' || user.status === tab)}
        clear={() => setSearch('')}
      />
      {open && users.items && <UserDrawer username={open} all={users.items} close={() => setOpen('')} />}
      {creating && <NewUser close={() => setCreating(false)} />}
    </Page>
  );
}
