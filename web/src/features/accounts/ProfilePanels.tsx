import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { UserView } from '@/api/schema';
import { Button } from '@/ui/Button';
import { TextField } from '@/ui/fields';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Failure, Loading, Refusal, sentence } from '@/ui/states';
import { useSubmit } from '@/ui/submit';
import { say } from '@/ui/toasts';
import { PersonForm } from './PersonForm';
import { changeMe, useProfile } from './queries';

/** Who one is: the name stays, the rest can be changed. */
export function ProfilePanel() {
  const { t } = useTranslation('settings');
  const profile = useProfile();
  return (
    <Panel title={t('profile.title')}>
      {profile.data ? (
        // A profile that was changed elsewhere fills the form anew.
        <Profile key={profile.data.full_name + profile.data.email} me={profile.data} />
      ) : profile.isError ? (
        <Failure error={profile.error} retry={() => void profile.refetch()} />
      ) : (
        <Loading />
      )}
    </Panel>
  );
}

function Profile({ me }: { me: UserView }) {
  const { t } = useTranslation(['settings', 'common']);
  return (
    <>
      <dl className="facts mb-4">
        <dt>{t('profile.username')}</dt>
        <dd className="fw-bold">{me.username}</dd>
        <dt>{t('profile.role')}</dt>
        <dd>{t(`common:role.${me.role}`)}</dd>
        <dt>{t('profile.since')}</dt>
        <dd>
          <Moment at={me.created_at} as="absolute" />
        </dd>
      </dl>
      <PersonForm user={me} own save={changeMe} />
    </>
  );
}

/** A new password for oneself; the one at hand is asked for. */
export function PasswordPanel() {
  const { t } = useTranslation('settings');
  const profile = useProfile();
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [repeated, setRepeated] = useState('');
  const { busy, submit, faults } = useSubmit(async () => {
    await changeMe({ password: { current, new: next } });
    setCurrent('');
    setNext('');
    setRepeated('');
    say(t('password.changed'));
  });
  const [currentFault, nextFault] = [faults.at('/password/current'), faults.at('/password')];
  const differs = repeated !== '' && repeated !== next;
  const refused =
    !current || !next || !repeated ? t('password.fill') : differs ? t('password.differs') : null;
  return (
    <Panel title={t('password.title')}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!refused) void submit();
        }}
      >
        <Refusal error={faults.rest()} />
        {/* Password managers want to know whose it is. */}
        <input
          type="text"
          className="d-none"
          autoComplete="username"
          value={profile.data?.username ?? ''}
          readOnly
          tabIndex={-1}
          aria-hidden="true"
        />
        <TextField
          label={t('password.current')}
          type="password"
          value={current}
          onChange={setCurrent}
          fault={currentFault && sentence(currentFault)}
          autoComplete="current-password"
        />
        <TextField
          label={t('password.new')}
          type="password"
          value={next}
          onChange={setNext}
          fault={nextFault && sentence(nextFault)}
          autoComplete="new-password"
        />
        <TextField
          label={t('password.again')}
          type="password"
          value={repeated}
          onChange={setRepeated}
          fault={differs ? t('password.differs') : null}
          autoComplete="new-password"
        />
        <p className="form-text mt-0 mb-3">{t('password.ends')}</p>
        <Button type="submit" look="primary" busy={busy} refused={refused}>
          {t('password.change')}
        </Button>
      </form>
    </Panel>
  );
}
