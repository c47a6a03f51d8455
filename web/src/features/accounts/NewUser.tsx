import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Role } from '@/api/schema';
import { SelectField, TextField } from '@/ui/fields';
import { FormDialog } from '@/ui/FormDialog';
import { say } from '@/ui/toasts';
import { createUser } from './queries';
import { isUsername, roles } from './state';

/** An account made by an admin; it may sign in at once. */
export function NewUser({ close }: { close: () => void }) {
  const { t } = useTranslation(['people', 'common']);
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [role, setRole] = useState<Role>('member');
  const [fullName, setFullName] = useState('');
  const [email, setEmail] = useState('');
  const isOdd = username !== '' && !isUsername(username);
  return (
    <FormDialog
      title={t('newTitle')}
      action={t('create')}
      refused={!username || !password ? t('newFill') : isOdd ? t('usernameHint') : null}
      act={async () => {
        await createUser({
          username,
          password,
          role,
          full_name: fullName.trim(),
          email: email.trim(),
        });
        say(t('created', { name: username }));
      }}
      close={close}
    >
      {(at) => (
        <>
          <TextField
            label={t('username')}
            value={username}
            onChange={setUsername}
            hint={t('usernameHint')}
            fault={at('/username')}
            autoComplete="off"
            autoFocus
          />
          <TextField
            label={t('password')}
            type="password"
            value={password}
            onChange={setPassword}
            hint={t('passwordHint')}
            fault={at('/password')}
            autoComplete="new-password"
          />
          <SelectField
            label={t('role')}
            value={role}
            onChange={setRole}
            hint={t(`roleHint.${role}`)}
            options={roles.map((value) => ({ value, label: t(`common:role.${value}`) }))}
          />
          <TextField
            label={t('fullName')}
            value={fullName}
            onChange={setFullName}
            fault={at('/full_name')}
            autoComplete="off"
          />
          <TextField
            label={t('email')}
            type="email"
            value={email}
            onChange={setEmail}
            fault={at('/email')}
            autoComplete="off"
            className="mb-0"
          />
        </>
      )}
    </FormDialog>
  );
}
