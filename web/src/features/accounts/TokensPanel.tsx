import { Plus, SquareTerminal } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { AccessTokenView } from '@/api/schema';
import { now } from '@/lib/time';
import { Button } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { SelectField, TextField } from '@/ui/fields';
import { FormDialog } from '@/ui/FormDialog';
import { Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { ShownOnce } from '@/ui/ShownOnce';
import { Empty, Failure, Loading } from '@/ui/states';
import { say } from '@/ui/toasts';
import { addToken, removeToken, useTokens } from './queries';

/** Access tokens, for scripts: they may do what their owner may, but make no further ones. */
export function TokensPanel() {
  const { t } = useTranslation(['settings', 'common']);
  const tokens = useTokens();
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<AccessTokenView | null>(null);
  const [removing, setRemoving] = useState<AccessTokenView | null>(null);
  const add = (
    <Button look="primary" small icon={<Plus size={16} aria-hidden="true" />} onClick={() => setAdding(true)}>
      {t('tokens.add')}
    </Button>
  );
  return (
    <Panel title={t('tokens.title')} actions={tokens.data?.length ? add : null} flush>
      {tokens.data === undefined ? (
        tokens.isError ? (
          <Failure error={tokens.error} retry={() => void tokens.refetch()} />
        ) : (
          <Loading lines={3} />
        )
      ) : tokens.data.length === 0 ? (
        <Empty title={t('tokens.none')} action={add} icon={<SquareTerminal size={32} aria-hidden="true" />}>
          {t('tokens.noneText')}
        </Empty>
      ) : (
        <>
          <p className="text-body-secondary px-4 mb-2">{t('tokens.lead')}</p>
          <ul className="rows">
            {tokens.data.map((token) => (
              <li key={token.id}>
                <div className="min-w-0 me-auto">
                  <div className="fw-bold text-break">{token.name}</div>
                  <div className="small text-body-secondary">
                    {token.last_used_at ? (
                      <>
                        {t('tokens.used')} <Moment at={token.last_used_at} as="relative" />
                      </>
                    ) : (
                      t('tokens.neverUsed')
                    )}
                    {' · '}
                    <Expiry at={token.expires_at} />
                  </div>
                </div>
                <Button
                  small
                  look="outline-danger"
                  onClick={() => setRemoving(token)}
                  aria-label={t('tokens.removeThat', { name: token.name })}
                >
                  {t('common:delete')}
                </Button>
              </li>
            ))}
          </ul>
        </>
      )}
      {adding && <AddToken close={() => setAdding(false)} show={setMade} />}
      {made?.token && (
        <ShownOnce
          title={t('tokens.madeTitle', { name: made.name })}
          secret={made.token}
          close={() => setMade(null)}
        >
          <p>{t('tokens.madeText')}</p>
        </ShownOnce>
      )}
      {removing && (
        <Confirm
          title={t('tokens.removeTitle', { name: removing.name })}
          action={t('common:delete')}
          act={async () => {
            await removeToken(removing.id);
            say(t('tokens.removed', { name: removing.name }));
          }}
          close={() => setRemoving(null)}
        >
          {t('tokens.removeText')}
        </Confirm>
      )}
    </Panel>
  );
}

function Expiry({ at }: { at: string | null | undefined }) {
  const { t } = useTranslation('settings');
  if (!at) return <>{t('tokens.forever')}</>;
  const soon = Date.parse(at) - now() < 7 * 86_400_000;
  return (
    <span className={soon ? 'tone-busy' : undefined} style={soon ? { color: 'var(--tone)' } : undefined}>
      {t('tokens.ends')} <Moment at={at} as="both" />
    </span>
  );
}

const LIVES = ['7', '30', '90', '365', ''] as const;

function AddToken({ close, show }: { close: () => void; show: (token: AccessTokenView) => void }) {
  const { t } = useTranslation('settings');
  const [name, setName] = useState('');
  const [days, setDays] = useState<(typeof LIVES)[number]>('90');
  return (
    <FormDialog
      title={t('tokens.addTitle')}
      action={t('tokens.add')}
      refused={name.trim() ? null : t('tokens.nameFirst')}
      act={async () => {
        show(await addToken({ name: name.trim(), ...(days ? { expires_in_days: Number(days) } : {}) }));
      }}
      close={close}
    >
      {(at) => (
        <>
          <TextField
            label={t('tokens.name')}
            hint={t('tokens.nameHint')}
            value={name}
            onChange={setName}
            fault={at('/name')}
            autoComplete="off"
            autoFocus
          />
          <SelectField
            label={t('tokens.life')}
            value={days}
            onChange={setDays}
            fault={at('/expires_in_days')}
            options={LIVES.map((value) => ({
              value,
              label: value ? t('tokens.days', { count: Number(value) }) : t('tokens.forever'),
            }))}
            className="mb-0"
          />
        </>
      )}
    </FormDialog>
  );
}
