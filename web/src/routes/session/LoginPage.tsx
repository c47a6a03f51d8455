import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, Navigate, useSearchParams } from 'react-router';
import { asProblem, type Problem } from '@/api/problem';
import { signIn } from '@/api/session';
import { useSession } from '@/features/accounts/session';
import { paths } from '@/lib/paths';
import { Button } from '@/ui/Button';
import { TextField } from '@/ui/fields';
import { Refusal } from '@/ui/states';
import { DoorPage } from './DoorPage';

/** Only ways within this page: an address of somebody else is no place to go after signing in. */
function wayBack(to: string | null): string {
  return to && /^\/(?![/\\])/.test(to) ? to : paths.home;
}

export default function LoginPage() {
  const { t } = useTranslation('session');
  const [query] = useSearchParams();
  const now = useSession();
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  if (now.status === 'in') return <Navigate to={wayBack(query.get('to'))} replace />;
  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await signIn(username.trim(), password);
    } catch (error) {
      setProblem(asProblem(error));
      setPassword('');
    } finally {
      setBusy(false);
    }
  };
  return (
    <DoorPage title={t('signIn')}>
      {query.get('why') === 'ended' && !problem && (
        <div className="alert alert-warning py-2" role="status">
          {t('ended')}
        </div>
      )}
      <Refusal error={problem} />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
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
        <div className="d-grid">
          <Button type="submit" look="primary" busy={busy}>
            {t('signIn')}
          </Button>
        </div>
      </form>
      <p className="small text-body-secondary mt-4 mb-0">
        <Link to={paths.register}>{t('noAccount')}</Link>
      </p>
    </DoorPage>
  );
}
