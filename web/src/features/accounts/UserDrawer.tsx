import { KeyRound, Trash2, UserCheck, UserX } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LinkView, UserView } from '@/api/schema';
import { useMe } from '@/api/session';
import { Button } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { Drawer } from '@/ui/Drawer';
import { Moment } from '@/ui/Moment';
import { ShownOnce } from '@/ui/ShownOnce';
import { Empty, Refusal } from '@/ui/states';
import { useSubmit } from '@/ui/submit';
import { say } from '@/ui/toasts';
import { Tone } from '@/ui/Tone';
import { PersonForm } from './PersonForm';
import { deleteUser, makePasswordLink, updateUser } from './queries';
import { refusals, statusTone } from './state';

/** One person: what there is to know, and all that can be done. */
export function UserDrawer({
  username,
  all,
  close,
}: {
  username: string;
  all: UserView[];
  close: () => void;
}) {
  const { t } = useTranslation('people');
  const user = all.find((one) => one.username === username);
  return (
    <Drawer title={username} close={close}>
      {user ? (
        <Details key={user.role + user.full_name + user.email} user={user} all={all} close={close} />
      ) : (
        <Empty title={t('gone')}>{t('goneText')}</Empty>
      )}
    </Drawer>
  );
}

type Question = 'suspend' | 'remove' | 'link' | null;

function Details({ user, all, close }: { user: UserView; all: UserView[]; close: () => void }) {
  const { t } = useTranslation(['people', 'common']);
  const me = useMe();
  const [asking, setAsking] = useState<Question>(null);
  const [link, setLink] = useState<LinkView | null>(null);
  const { lose } = refusals(user, all, me.username);
  const refused = lose && t(`refused.${lose}`);
  const name = user.username;
  const restore = useSubmit(async () => {
    await updateUser(name, { status: 'active' });
    say(t(user.status === 'pending' ? 'approved' : 'restored', { name }));
  });
  return (
    <>
      <dl className="facts mb-4">
        <dt>{t('state')}</dt>
        <dd>
          <Tone tone={statusTone[user.status]}>{t(`status.${user.status}`)}</Tone>
        </dd>
        <dt>{t('lastLogin')}</dt>
        <dd>{user.last_login_at ? <Moment at={user.last_login_at} /> : t('never')}</dd>
        <dt>{t('since')}</dt>
        <dd>
          <Moment at={user.created_at} />
        </dd>
      </dl>
      <PersonForm user={user} refused={refused} save={(change) => updateUser(name, change)} />
      <h3 className="mt-5 pt-4 border-top">{t('access')}</h3>
      <Refusal error={restore.error} />
      <ul className="acts">
        {user.status === 'active' ? (
          <li>
            <p>{t('suspendText')}</p>
            <Button
              refused={refused}
              icon={<UserX size={16} aria-hidden="true" />}
              onClick={() => setAsking('suspend')}
            >
              {t('suspend')}
            </Button>
          </li>
        ) : (
          <li>
            <p>{t(user.status === 'pending' ? 'approveText' : 'restoreText')}</p>
            <Button
              look="primary"
              busy={restore.busy}
              icon={<UserCheck size={16} aria-hidden="true" />}
              onClick={() => void restore.submit()}
            >
              {t(user.status === 'pending' ? 'approve' : 'restore')}
            </Button>
          </li>
        )}
        <li>
          <p>{t('linkText')}</p>
          <Button icon={<KeyRound size={16} aria-hidden="true" />} onClick={() => setAsking('link')}>
            {t('link')}
          </Button>
        </li>
        <li>
          <p>{t('removeText')}</p>
          <Button
            look="outline-danger"
            refused={refused}
            icon={<Trash2 size={16} aria-hidden="true" />}
            onClick={() => setAsking('remove')}
          >
            {t('remove')}
          </Button>
        </li>
      </ul>
      {asking === 'suspend' && (
        <Confirm
          title={t('suspendTitle', { name })}
          action={t('suspend')}
          act={async () => {
            await updateUser(name, { status: 'suspended' });
            say(t('suspended', { name }));
          }}
          close={() => setAsking(null)}
        >
          {t('suspendWhat')}
        </Confirm>
      )}
      {asking === 'link' && (
        <Confirm
          title={t('linkTitle', { name })}
          action={t('link')}
          danger={false}
          act={async () => setLink(await makePasswordLink(name))}
          close={() => setAsking(null)}
        >
          {t('linkWhat')}
        </Confirm>
      )}
      {asking === 'remove' && (
        <Confirm
          title={t('removeTitle', { name })}
          action={t('remove')}
          word={name}
          act={async () => {
            await deleteUser(name);
            say(t('removed', { name }));
            close();
          }}
          close={() => setAsking(null)}
        >
          {t('removeWhat')}
        </Confirm>
      )}
      {link && (
        <ShownOnce title={t('linkMade', { name })} secret={link.url} close={() => setLink(null)}>
          <p>
            {t('linkMadeText')} <Moment at={link.expires_at} />
          </p>
        </ShownOnce>
      )}
    </>
  );
}
