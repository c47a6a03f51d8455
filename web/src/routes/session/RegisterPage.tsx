import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, Navigate } from 'react-router';
import { signIn } from '@/api/session';
import { DoorRefusal, useWait } from '@/features/accounts/DoorRefusal';
import { register, useAbout } from '@/features/accounts/queries';
import { isUsername } from '@/features/accounts/state';
import { useSession } from '@/features/accounts/session';
import { paths } from '@/lib/paths';
import { TextField } from '@/ui/fields';
import { Failure, Loading, sentence } from '@/ui/states';
import { useSubmit } from '@/ui/submit';
import { DoorButton, DoorPage, ToLogin } from './DoorPage';

export default function RegisterPage() {
  const { t } = useTranslation('session');
  const about = useAbout();
  const now = useSession();
  const [waits, setWaits] = useState<string | null>(null);
  if (now.status === 'in') return <Navigate to={paths.home} replace />;
  const mode = about.data?.registration;
  return (
    <DoorPage title={waits ? t('waitsTitle') : t('registerTitle')}>
      {waits ? (
        <>
          <p role="status">{t('waitsText', { name: waits })}</p>
          <ToLogin />
        </>
      ) : mode === 'closed' ? (
        <>
          <p>{t('closed')}</p>
          <ToLogin />
        </>
      ) : mode ? (
        <RegisterForm approval={mode === 'approval'} waits={setWaits} />
      ) : about.isError ? (
        <Failure error={about.error} retry={() => void about.refetch()} />
      ) : (
        <Loading />
      )}
    </DoorPage>
  );
}

function RegisterForm({ approval, waits }: { approval: boolean; waits: (username: string) => void }) {
  const { t } = useTranslation('session');
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [fullName, setFullName] = useState('');
  const [email, setEmail] = useState('');
  const { busy, error, submit, faults } = useSubmit(async () => {
    const made = await register({
      username,
      password,
      full_name: fullName.trim(),
      email: email.trim(),
    });
    if (made.status === 'active') await signIn(username, password);
    else waits(made.username);
  });
  const wait = useWait(error);
  const fault = (pointer: string) => {
    const found = faults.at(pointer);
    return found && sentence(found);
  };
  const [nameFault, passwordFault, fullNameFault, emailFault] = [
    fault('/username'),
    fault('/password'),
    fault('/full_name'),
    fault('/email'),
  ];
  const isOdd = username !== '' && !isUsername(username);
  const refused = !username || !password ? t('fill') : isOdd ? t('nameRule') : null;
  return (
    <>
      <p className="text-body-secondary">{approval ? t('approval') : t('open')}</p>
      <DoorRefusal error={faults.rest()} />
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!refused && wait === 0) void submit();
        }}
      >
        <TextField
          label={t('username')}
          name="username"
          value={username}
          onChange={setUsername}
          hint={t('nameRule')}
          fault={nameFault}
          autoComplete="username"
          required
          autoFocus
        />
        <TextField
          label={t('password')}
          name="password"
          type="password"
          value={password}
          onChange={setPassword}
          fault={passwordFault}
          autoComplete="new-password"
          required
        />
        <TextField
          label={t('fullName')}
          name="full_name"
          value={fullName}
          onChange={setFullName}
          fault={fullNameFault}
          autoComplete="name"
        />
        <TextField
          label={t('email')}
          name="email"
          type="email"
          value={email}
          onChange={setEmail}
          fault={emailFault}
          autoComplete="email"
        />
        <DoorButton busy={busy} wait={wait} refused={refused}>
          {t('make')}
        </DoorButton>
      </form>
      <p className="small text-body-secondary mt-4 mb-0">
        {t('hasAccount')} <Link to={paths.login}>{t('toSignIn')}</Link>
      </p>
    </>
  );
}
