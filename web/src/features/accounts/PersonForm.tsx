import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Role, UserView } from '@/api/schema';
import { Button } from '@/ui/Button';
import { SelectField, TextField } from '@/ui/fields';
import { Refusal, sentence } from '@/ui/states';
import { useSubmit } from '@/ui/submit';
import { say } from '@/ui/toasts';
import { roles } from './state';

export interface PersonChange {
  full_name: string;
  email: string;
  role?: Role;
}

/** What can be changed of a person: by oneself, or by an admin, who also chooses the role. */
export function PersonForm({
  user,
  own = false,
  refused = null,
  save,
}: {
  user: UserView;
  own?: boolean;
  /** Why the person must stay what they are. */
  refused?: string | null;
  save: (change: PersonChange) => Promise<unknown>;
}) {
  const { t } = useTranslation(['people', 'common']);
  const [role, setRole] = useState<Role>(user.role);
  const [fullName, setFullName] = useState(user.full_name);
  const [email, setEmail] = useState(user.email);
  const { busy, submit, faults } = useSubmit(async () => {
    await save({
      full_name: fullName.trim(),
      email: email.trim(),
      ...(role === user.role ? {} : { role }),
    });
    say(t('common:saved'));
  });
  const isSame = role === user.role && fullName.trim() === user.full_name && email.trim() === user.email;
  const isKept = Boolean(refused) && user.role === 'admin';
  const [nameFault, emailFault] = [faults.at('/full_name'), faults.at('/email')];
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!isSame) void submit();
      }}
    >
      <Refusal error={faults.rest()} />
      {!own && (
        <SelectField
          label={t('role')}
          value={role}
          onChange={setRole}
          hint={isKept ? (refused ?? '') : t(`roleHint.${role}`)}
          options={roles.map((value) => ({
            value,
            label: t(`common:role.${value}`),
            disabled: isKept && value !== 'admin',
          }))}
        />
      )}
      <TextField
        label={t('fullName')}
        value={fullName}
        onChange={setFullName}
        fault={nameFault && sentence(nameFault)}
        autoComplete={own ? 'name' : 'off'}
      />
      <TextField
        label={t('email')}
        type="email"
        value={email}
        onChange={setEmail}
        fault={emailFault && sentence(emailFault)}
        autoComplete={own ? 'email' : 'off'}
      />
      <Button type="submit" look="primary" busy={busy} refused={isSame ? t('same') : null}>
        {t('common:save')}
      </Button>
    </form>
  );
}
