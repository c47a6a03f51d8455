import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { useMe } from '@/api/session';
import type { RegisteredView } from '@/api/schema';
import { createOf, emptyForm, labelTwice } from '@/features/machines/form';
import { MachineFields } from '@/features/machines/MachineFields';
import { MachineState } from '@/features/machines/MachineState';
import { createMachine } from '@/features/machines/queries';
import { Steps } from '@/features/machines/Steps';
import { paths } from '@/lib/paths';
import { Button, ButtonLink } from '@/ui/Button';
import { Page, Panel } from '@/ui/Page';
import { Refusal, sentence } from '@/ui/states';
import { focusFault, useSubmit } from '@/ui/submit';

export default function NewMachinePage() {
  const { t } = useTranslation(['machines', 'common']);
  const { isAdmin } = useMe();
  const [form, setForm] = useState(emptyForm);
  const [registered, setRegistered] = useState<RegisteredView | null>(null);
  const { busy, submit, faults } = useSubmit(async () => {
    setRegistered(await createMachine(createOf(form)));
  });
  const above = <Link to={paths.machines}>{t('title')}</Link>;
  if (registered) {
    const { machine, steps } = registered;
    const isIn = machine.state === 'ready';
    return (
      <Page title={t('new.title')} above={above}>
        <Panel
          className="narrow"
          title={t(isIn ? 'new.done' : 'new.notYet', { name: machine.name })}
          actions={<MachineState state={machine.state} />}
        >
          <div role="status">
            {!isIn && <p>{t('new.notYetText')}</p>}
            <Steps steps={steps} failed={!isIn} />
          </div>
          <div className="d-flex flex-wrap gap-2 mt-4">
            <ButtonLink to={paths.machine(machine.name)} look="primary">
              {t('new.open')}
            </ButtonLink>
            <Button
              onClick={() => {
                // The next one is probably a neighbour; its name, address and password are its own.
                setForm((before) => ({ ...before, name: '', host: '', password: '', hostKey: '' }));
                setRegistered(null);
              }}
            >
              {t('new.another')}
            </Button>
          </div>
        </Panel>
      </Page>
    );
  }
  const at = (pointer: string) => {
    const fault = faults.at(pointer);
    return fault && sentence(fault);
  };
  const fields = (
    <MachineFields
      isNew
      form={form}
      change={(change) => setForm((before) => ({ ...before, ...change }))}
      at={at}
    />
  );
  const twice = labelTwice(form.labels);
  const refused = !isAdmin ? t('refused.notAdmin') : twice ? t('form.labelTwice', { name: twice }) : null;
  return (
    <Page title={t('new.title')} lead={t('new.lead')} above={above}>
      <form
        noValidate
        className="narrow d-flex flex-column gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          const { currentTarget } = event;
          if (!refused) void submit().then((done) => !done && focusFault(currentTarget));
        }}
      >
        <Refusal error={faults.rest()} />
        {fields}
        <div className="d-flex flex-wrap gap-2 align-items-center">
          <Button type="submit" look="primary" busy={busy} refused={refused}>
            {t('new.action')}
          </Button>
          <ButtonLink to={paths.machines}>{t('common:cancel')}</ButtonLink>
          <span className="text-body-secondary small ms-sm-2" role="status">
            {busy ? t('new.working') : <Link to={paths.importMachines}>{t('new.many')}</Link>}
          </span>
        </div>
      </form>
    </Page>
  );
}
