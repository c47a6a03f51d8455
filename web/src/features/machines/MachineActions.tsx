import { Activity, Pencil, ShieldBan, Trash2, Undo2 } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { asProblem } from '@/api/problem';
import type { MachineView } from '@/api/schema';
import { paths } from '@/lib/paths';
import { Button, ButtonLink } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { TextField } from '@/ui/fields';
import { FormDialog } from '@/ui/FormDialog';
import { sentence } from '@/ui/states';
import { say } from '@/ui/toasts';
import { checkMachine, deleteMachine, quarantineMachine, releaseMachine } from './queries';
import {
  deleteRefused,
  isHostKeyChanged,
  newHostKeyRefused,
  quarantineRefused,
  releaseRefused,
  type Why,
} from './state';

/** Why something is refused, in words; null when it is not. */
function useRefusal() {
  const { t } = useTranslation('machines');
  return (why: Why | null) => (why ? t(why.key, why.values ?? {}) : null);
}

/** What an admin can do with one machine. */
export function MachineActions({ machine }: { machine: MachineView }) {
  const { t } = useTranslation('machines');
  const navigate = useNavigate();
  const refusal = useRefusal();
  const { name } = machine;
  const [open, setOpen] = useState<'aside' | 'delete' | 'key' | null>(null);
  const [busy, setBusy] = useState<'check' | 'release' | null>(null);
  const during = async (what: 'check' | 'release', work: () => Promise<void>) => {
    setBusy(what);
    try {
      await work();
    } catch (error) {
      say(sentence(asProblem(error).message), 'bad');
    } finally {
      setBusy(null);
    }
  };
  const check = () =>
    during('check', async () => {
      const found = await checkMachine(name);
      if (isHostKeyChanged(found)) setOpen('key');
      else if (found.last_error) say(t('checkedBad', { name, why: sentence(found.last_error) }), 'bad');
      else say(t('checkedWell', { name }));
    });
  const release = () =>
    during('release', async () => {
      await releaseMachine(name);
      say(t('releaseDone', { name }));
    });
  const close = () => setOpen(null);
  return (
    <>
      <Button icon={<Activity size={16} aria-hidden="true" />} busy={busy === 'check'} onClick={check}>
        {t('check')}
      </Button>
      {releaseRefused(machine) ? (
        <Button
          icon={<ShieldBan size={16} aria-hidden="true" />}
          refused={refusal(quarantineRefused(machine))}
          onClick={() => setOpen('aside')}
        >
          {t('setAside')}
        </Button>
      ) : (
        <Button icon={<Undo2 size={16} aria-hidden="true" />} busy={busy === 'release'} onClick={release}>
          {t('release')}
        </Button>
      )}
      <ButtonLink to={paths.editMachine(name)} icon={<Pencil size={16} aria-hidden="true" />}>
        {t('edit')}
      </ButtonLink>
      <Button
        look="outline-danger"
        icon={<Trash2 size={16} aria-hidden="true" />}
        refused={refusal(deleteRefused(machine))}
        onClick={() => setOpen('delete')}
      >
        {t('delete')}
      </Button>
      {open === 'aside' && <SetAside machine={machine} close={close} />}
      {open === 'key' && <NewHostKey machine={machine} close={close} />}
      {open === 'delete' && (
        <Confirm
          title={t('deleteTitle', { name })}
          action={t('delete')}
          word={name}
          close={close}
          act={async () => {
            await deleteMachine(name);
            say(t('deleted', { name }));
            void navigate(paths.machines);
          }}
        >
          <p className="mb-0">{t('deleteText')}</p>
        </Confirm>
      )}
    </>
  );
}

function SetAside({ machine, close }: { machine: MachineView; close: () => void }) {
  const { t } = useTranslation('machines');
  const [reason, setReason] = useState('');
  const { name, holder } = machine;
  return (
    <FormDialog
      title={t('setAsideTitle', { name })}
      action={t('setAside')}
      close={close}
      act={async () => {
        const after = await quarantineMachine(name, reason.trim());
        say(t(after.state === 'quarantined' ? 'setAsideDone' : 'setAsideLater', { name }));
      }}
    >
      {(at) => (
        <>
          <p>{holder ? t('setAsideHeld', { who: holder.username }) : t('setAsideText')}</p>
          <TextField
            label={t('setAsideReason')}
            value={reason}
            onChange={setReason}
            fault={at('/reason')}
            autoFocus
            required
            className="mb-0"
          />
        </>
      )}
    </FormDialog>
  );
}

/** The question that a changed host key puts; a machine that was not set up anew must not be let in. */
function NewHostKey({ machine, close }: { machine: MachineView; close: () => void }) {
  const { t } = useTranslation('machines');
  const { name, host_key_fingerprint: pinned } = machine;
  return (
    <Confirm
      title={t('newKeyTitle')}
      action={t('newKeyAccept')}
      close={close}
      act={async () => {
        const after = await checkMachine(name, true);
        if (after.last_error) say(t('checkedBad', { name, why: sentence(after.last_error) }), 'bad');
        else say(t('newKeyDone', { name }));
      }}
    >
      <p>{t('newKey')}</p>
      {pinned && (
        <p>
          {t('newKeyPinned')}: <code className="text-break">{pinned}</code>
        </p>
      )}
      <p className="mb-0">{t('newKeyText', { name })}</p>
    </Confirm>
  );
}

/** The way to accept a new host key, where the machine says that its key changed. */
export function HostKeyNotice({ machine }: { machine: MachineView }) {
  const { t } = useTranslation('machines');
  const refusal = useRefusal();
  const [open, setOpen] = useState(false);
  if (!isHostKeyChanged(machine)) return null;
  return (
    <div className="alert alert-warning d-flex flex-wrap gap-2 align-items-center py-2" role="alert">
      <span className="me-auto">{t('newKey')}</span>
      <Button small refused={refusal(newHostKeyRefused(machine))} onClick={() => setOpen(true)}>
        {t('newKeyAsk')}
      </Button>
      {open && <NewHostKey machine={machine} close={() => setOpen(false)} />}
    </div>
  );
}
