import { useState } from 'react';
import { Trans, useTranslation } from 'react-i18next';
import { Link, Navigate, useSearchParams } from 'react-router';
import { signIn } from '@/api/session';
import { DoorRefusal, useWait } from '@/features/accounts/DoorRefusal';
import { useAbout } from '@/features/accounts/queries';
import { useSession } from '@/features/accounts/session';
import { paths } from '@/lib/paths';
import { TextField } from '@/ui/fields';
import { useSubmit } from '@/ui/submit';
import { DoorButton, DoorPage } from './DoorPage';

/** Only ways within this page: an address of somebody else is no place to go after signing in. */
function wayBack(to: string | null): string {
  return to && /^\/(?![/\\])/.test(to) ? to : paths.home;
}

export default function LoginPage() {
  const { t } = useTranslation('session');
  const [query] = useSearchParams();
  const now = useSession();
  const about = useAbout();
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const { busy, error, submit } = useSubmit(async () => {
    try {
      await signIn(username.trim(), password);
    } catch (refusal) {
      setPassword('');
      throw refusal;
    }
  });
  const wait = useWait(error);
  if (now.status === 'in') return <Navigate to={wayBack(query.get('to'))} replace />;
  return (
    <DoorPage title={t('signIn')}>
      {query.get('why') === 'ended' && !error && (
        <div className="alert alert-warning py-2" role="status">
          {t('ended')}
        </div>
      )}
      <DoorRefusal error={error} />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (wait === 0) void submit();
        }}
      >
        <TextField
          label={t('username')}
          name="username"
          value={username}
          onChange={setUsername}
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
          autoComplete="current-password"
          required
        />
        <DoorButton busy={busy} wait={wait}>
          {t('signIn')}
        </DoorButton>
      </form>
      <div className="small text-body-secondary mt-4">
        {about.data && about.data.registration !== 'closed' ? (
          <p className="mb-1">
            {t('noAccount')} <Link to={paths.register}>{t('register')}</Link>
          </p>
        ) : (
          about.data && <p className="mb-1">{t('byAdmin')}</p>
        )}
        <p className="mb-0">{t('forgot')}</p>
        {about.data?.environment === 'development' && (
          <p className="mb-0 mt-3 pt-3 border-top">
            <Trans t={t} i18nKey="development" components={{ code: <code /> }} />
          </p>
        )}
      </div>
    </DoorPage>
  );
}
