import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocation, useNavigate } from 'react-router';
import { DoorRefusal, useWait } from '@/features/accounts/DoorRefusal';
import { resetPassword } from '@/features/accounts/queries';
import { tokenOf } from '@/features/accounts/state';
import { paths } from '@/lib/paths';
import { TextField } from '@/ui/fields';
import { sentence } from '@/ui/states';
import { useSubmit } from '@/ui/submit';
import { DoorButton, DoorPage, ToLogin } from './DoorPage';

export default function PasswordPage() {
  const { t } = useTranslation('session');
  const here = useLocation();
  const navigate = useNavigate();
  const given = tokenOf(here);
  const [token, setToken] = useState(given);
  const [isSet, setIsSet] = useState(false);
  // A link that is opened while the page is there begins anew.
  if (given && (given !== token || isSet)) {
    setToken(given);
    setIsSet(false);
  }
  useEffect(() => {
    // The secret stays in memory: neither the address bar nor the history keeps it.
    if (given) void navigate(paths.password, { replace: true });
  }, [given, navigate]);
  return (
    <DoorPage title={t('newPasswordTitle')}>
      {isSet ? (
        <>
          <p role="status">{t('newPasswordSet')}</p>
          <ToLogin />
        </>
      ) : token ? (
        <PasswordForm token={token} done={() => setIsSet(true)} />
      ) : (
        <>
          <p>{t('noToken')}</p>
          <ToLogin />
        </>
      )}
    </DoorPage>
  );
}

function PasswordForm({ token, done }: { token: string; done: () => void }) {
  const { t } = useTranslation('session');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const { busy, error, submit, faults } = useSubmit(async () => {
    await resetPassword(token, password);
    done();
  });
  const wait = useWait(error);
  const fault = faults.at('/password');
  const differs = again !== '' && again !== password;
  const refused = !password || !again ? t('fillBoth') : differs ? t('differs') : null;
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!refused && wait === 0) void submit();
      }}
    >
      <p className="text-body-secondary">{t('newPasswordText')}</p>
      <DoorRefusal error={faults.rest()} />
      <TextField
        label={t('newPassword')}
        name="password"
        type="password"
        value={password}
        onChange={setPassword}
        fault={fault && sentence(fault)}
        autoComplete="new-password"
        required
        autoFocus
      />
      <TextField
        label={t('again')}
        name="again"
        type="password"
        value={again}
        onChange={setAgain}
        fault={differs ? t('differs') : null}
        autoComplete="new-password"
        required
      />
      <DoorButton busy={busy} wait={wait} refused={refused}>
        {t('setPassword')}
      </DoorButton>
    </form>
  );
}
