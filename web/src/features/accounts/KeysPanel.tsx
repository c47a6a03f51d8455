import { KeyRound, Plus } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { SshKeyView } from '@/api/schema';
import { Button } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { TextField } from '@/ui/fields';
import { FormDialog } from '@/ui/FormDialog';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Empty, Failure, Loading } from '@/ui/states';
import { say } from '@/ui/toasts';
import { addKey, removeKey, useKeys } from './queries';

/** The SSH keys that a reservation lets in on its machines. */
export function KeysPanel() {
  const { t } = useTranslation(['settings', 'common']);
  const keys = useKeys();
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<SshKeyView | null>(null);
  const add = (
    <Button look="primary" small icon={<Plus size={16} aria-hidden="true" />} onClick={() => setAdding(true)}>
      {t('keys.add')}
    </Button>
  );
  return (
    <Panel title={t('keys.title')} actions={keys.data?.length ? add : null} flush>
      {keys.data === undefined ? (
        keys.isError ? (
          <Failure error={keys.error} retry={() => void keys.refetch()} />
        ) : (
          <Loading lines={3} />
        )
      ) : keys.data.length === 0 ? (
        <Empty title={t('keys.none')} action={add} icon={<KeyRound size={32} aria-hidden="true" />}>
          {t('keys.noneText')}
        </Empty>
      ) : (
        <>
          <p className="text-body-secondary px-4 mb-2">{t('keys.lead')}</p>
          <ul className="rows">
            {keys.data.map((key) => (
              <li key={key.id}>
                <div className="min-w-0 me-auto">
                  <div className="fw-bold text-break">{key.name}</div>
                  <code className="small text-break user-select-all text-body">{key.fingerprint}</code>
                  <div className="small text-body-secondary">
                    {key.public_key.split(' ')[0]} · {t('added')} <Moment at={key.created_at} as="relative" />
                  </div>
                </div>
                <Button
                  small
                  look="outline-danger"
                  onClick={() => setRemoving(key)}
                  aria-label={t('keys.removeThat', { name: key.name })}
                >
                  {t('common:delete')}
                </Button>
              </li>
            ))}
          </ul>
        </>
      )}
      {adding && <AddKey close={() => setAdding(false)} />}
      {removing && (
        <Confirm
          title={t('keys.removeTitle', { name: removing.name })}
          action={t('common:delete')}
          act={async () => {
            await removeKey(removing.id);
            say(t('keys.removed', { name: removing.name }));
          }}
          close={() => setRemoving(null)}
        >
          <p>{t('keys.removeText')}</p>
          <code className="text-break text-body">{removing.fingerprint}</code>
        </Confirm>
      )}
    </Panel>
  );
}

function AddKey({ close }: { close: () => void }) {
  const { t } = useTranslation('settings');
  const [text, setText] = useState('');
  const [name, setName] = useState('');
  const comment = text.trim().split(/\s+/).slice(2).join(' ');
  return (
    <FormDialog
      title={t('keys.addTitle')}
      action={t('keys.add')}
      size="lg"
      refused={text.trim() ? null : t('keys.paste')}
      act={async () => {
        const made = await addKey({ public_key: text.trim(), name: name.trim() });
        say(t('keys.addedKey', { name: made.name, fingerprint: made.fingerprint }));
      }}
      close={close}
    >
      {(at) => (
        <>
          <TextField
            label={t('keys.public')}
            hint={t('keys.publicHint')}
            value={text}
            onChange={setText}
            fault={at('/public_key')}
            rows={4}
            mono
            placeholder="ssh-ed25519 AAAA… alice@laptop"
          />
          <TextField
            label={t('keys.name')}
            hint={t('keys.nameHint')}
            value={name}
            onChange={setName}
            fault={at('/name')}
            placeholder={comment}
            autoComplete="off"
            className="mb-0"
          />
        </>
      )}
    </FormDialog>
  );
}
