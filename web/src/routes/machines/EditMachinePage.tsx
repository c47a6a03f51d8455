import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useParams } from 'react-router';
import { useMe } from '@/api/session';
import type { MachineView } from '@/api/schema';
import { formOf, labelTwice, updateOf } from '@/features/machines/form';
import { MachineFields } from '@/features/machines/MachineFields';
import { updateMachine, useMachine } from '@/features/machines/queries';
import { reachRefused } from '@/features/machines/state';
import { paths } from '@/lib/paths';
import { Button, ButtonLink } from '@/ui/Button';
import { Page } from '@/ui/Page';
import { Failure, Loading, Refusal, sentence } from '@/ui/states';
import { focusFault, useSubmit } from '@/ui/submit';
import { say } from '@/ui/toasts';

export default function EditMachinePage() {
  const { t } = useTranslation('machines');
  const { name = '' } = useParams();
  const machine = useMachine(name);
  return (
    <Page
      title={t('change.title', { name })}
      lead={t('change.lead')}
      above={<Link to={paths.machine(name)}>{name}</Link>}
    >
      {machine.data ? (
        <EditForm machine={machine.data} />
      ) : (
        <div className="card">
          {machine.error ? (
            <Failure error={machine.error} retry={() => void machine.refetch()} />
          ) : (
            <Loading label={name} />
          )}
        </div>
      )}
    </Page>
  );
}

function EditForm({ machine }: { machine: MachineView }) {
  const { t } = useTranslation(['machines', 'common']);
  const { isAdmin } = useMe();
  const navigate = useNavigate();
  const { name } = machine;
  // What the form began with: only what the person changed is sent, whatever happens to the machine meanwhile.
  const [first] = useState(machine);
  const [form, setForm] = useState(() => formOf(machine));
  const { busy, submit, faults } = useSubmit(async () => {
    const change = updateOf(form, first);
    if (Object.keys(change).length === 0) {
      say(t('change.nothing'), 'off');
    } else {
      const after = await updateMachine(name, change);
      if (after.last_error && after.last_error !== first.last_error) {
        say(t('change.savedBad', { name, why: sentence(after.last_error) }), 'bad');
      } else say(t('change.saved', { name }));
    }
    await navigate(paths.machine(name));
  });
  const fields = (
    <MachineFields
      isNew={false}
      form={form}
      change={(change) => setForm((before) => ({ ...before, ...change }))}
      at={(pointer) => {
        const fault = faults.at(pointer);
        return fault && sentence(fault);
      }}
    />
  );
  const reach = reachRefused(machine);
  const twice = labelTwice(form.labels);
  const refused = !isAdmin ? t('refused.notAdmin') : twice ? t('form.labelTwice', { name: twice }) : null;
  return (
    <form
      noValidate
      className="narrow d-flex flex-column gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        const { currentTarget } = event;
        if (!refused) void submit().then((done) => !done && focusFault(currentTarget));
      }}
    >
      {reach && <div className="alert alert-info py-2 mb-0">{t(reach.key, reach.values ?? {})}</div>}
      <Refusal error={faults.rest()} />
      {fields}
      <div className="d-flex flex-wrap gap-2">
        <Button type="submit" look="primary" busy={busy} refused={refused}>
          {t('common:save')}
        </Button>
        <ButtonLink to={paths.machine(name)}>{t('common:cancel')}</ButtonLink>
      </div>
    </form>
  );
}
