import { Plus, X } from 'lucide-react';
import { useId, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@/ui/Button';
import { SelectField, TextField } from '@/ui/fields';
import { Panel } from '@/ui/Page';
import { labelRow, labelTwice, type LabelRow, type MachineForm } from './form';
import { usePools } from './queries';

interface Fields {
  form: MachineForm;
  change: (change: Partial<MachineForm>) => void;
  /** A field's fault by its JSON pointer. */
  at: (pointer: string) => string | undefined;
}

/** Everything that can be said about a machine. Secrets go in and are never shown. */
export function MachineFields({ isNew, form, change, at }: Fields & { isNew: boolean }) {
  const { t } = useTranslation('machines');
  const pools = usePools();
  const poolList = useId();
  return (
    <>
      <Panel title={t('form.what')}>
        <div className="row gx-4">
          {isNew && (
            <TextField
              className="col-sm-6 mb-3"
              label={t('name')}
              hint={t('form.nameHint')}
              value={form.name}
              onChange={(name) => change({ name })}
              fault={at('/name')}
              autoComplete="off"
              autoFocus
              required
            />
          )}
          <TextField
            className="col-sm-6 mb-3"
            label={t('pool')}
            hint={isNew ? t('form.poolHint') : undefined}
            value={form.pool}
            onChange={(pool) => change({ pool })}
            fault={at('/pool')}
            autoComplete="off"
            list={poolList}
          />
          <datalist id={poolList}>
            {pools.data?.items.map(({ name }) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </div>
        <LabelFields rows={form.labels} change={(labels) => change({ labels })} fault={at('/labels')} />
      </Panel>
      <Panel title={t('form.reach')}>
        <div className="row gx-4">
          <TextField
            className="col-sm-8 mb-3"
            label={t('host')}
            hint={t('form.hostHint')}
            value={form.host}
            onChange={(host) => change({ host })}
            fault={at('/host')}
            autoComplete="off"
            required
          />
          <TextField
            className="col-sm-4 mb-3"
            label={t('form.port')}
            value={form.port}
            onChange={(port) => change({ port })}
            fault={at('/port')}
            inputMode="numeric"
            autoComplete="off"
          />
        </div>
        <TextField
          label={t('form.jump')}
          hint={t('form.jumpHint')}
          value={form.jump}
          onChange={(jump) => change({ jump })}
          fault={at('/jump')}
          autoComplete="off"
        />
        <HostKeyFields isNew={isNew} form={form} change={change} at={at} />
      </Panel>
      <Panel title={t('form.access')}>
        <TextField
          label={t('form.user')}
          value={form.user}
          onChange={(user) => change({ user })}
          fault={at('/user')}
          autoComplete="off"
          required
        />
        <PasswordFields isNew={isNew} form={form} change={change} at={at} />
        <TextField
          className="mb-0"
          label={t('form.keyFile')}
          hint={t('form.keyFileHint')}
          value={form.keyFile}
          onChange={(keyFile) => change({ keyFile })}
          fault={at('/key_file')}
          autoComplete="off"
          mono
        />
      </Panel>
    </>
  );
}

function PasswordFields({ isNew, form, change, at }: Fields & { isNew: boolean }) {
  const { t } = useTranslation('machines');
  return (
    <>
      {!isNew && (
        <SelectField
          label={t('form.password')}
          value={form.passwordHow}
          onChange={(passwordHow) => change({ passwordHow, password: '' })}
          options={[
            { value: 'keep', label: t('form.keep') },
            { value: 'set', label: t('form.replace') },
            { value: 'forget', label: t('form.forget') },
          ]}
        />
      )}
      {form.passwordHow === 'set' && (
        <TextField
          type="password"
          label={t(isNew ? 'form.password' : 'form.passwordNew')}
          hint={t('form.passwordHint')}
          value={form.password}
          onChange={(password) => change({ password })}
          fault={at('/password')}
          autoComplete="new-password"
        />
      )}
    </>
  );
}

function HostKeyFields({ isNew, form, change, at }: Fields & { isNew: boolean }) {
  const { t } = useTranslation('machines');
  return (
    <>
      {!isNew && (
        <SelectField
          className={form.hostKeyHow === 'set' ? 'mb-3' : 'mb-0'}
          label={t('fingerprint')}
          value={form.hostKeyHow}
          onChange={(hostKeyHow) => change({ hostKeyHow, hostKey: '' })}
          options={[
            { value: 'keep', label: t('form.keep') },
            { value: 'set', label: t('form.replace') },
            { value: 'learn', label: t('form.hostKeyLearn') },
          ]}
        />
      )}
      {form.hostKeyHow === 'set' && (
        <TextField
          className="mb-0"
          label={t(isNew ? 'form.hostKey' : 'form.hostKeyNew')}
          hint={t('form.hostKeyHint')}
          value={form.hostKey}
          onChange={(hostKey) => change({ hostKey })}
          fault={at('/host_key')}
          rows={2}
          mono
        />
      )}
    </>
  );
}

function LabelFields({
  rows,
  change,
  fault,
}: {
  rows: LabelRow[];
  change: (rows: LabelRow[]) => void;
  fault: string | undefined;
}) {
  const { t } = useTranslation('machines');
  const id = useId();
  const box = useRef<HTMLFieldSetElement>(null);
  const twice = labelTwice(rows);
  const put = (row: LabelRow, values: Partial<LabelRow>) =>
    change(rows.map((other) => (other === row ? { ...row, ...values } : other)));
  const wrong = twice ? t('form.labelTwice', { name: twice }) : fault;
  return (
    <fieldset ref={box} aria-describedby={wrong ? `${id}-fault` : `${id}-hint`}>
      <legend className="form-label">{t('labels')}</legend>
      {rows.map((row, i) => (
        <div key={row.id} className="d-flex gap-2 mb-2 align-items-center">
          <input
            className={`form-control ${wrong ? 'is-invalid' : ''}`}
            aria-label={t('form.labelNameOf', { number: i + 1 })}
            placeholder={t('form.labelName')}
            value={row.name}
            autoComplete="off"
            onChange={(event) => put(row, { name: event.target.value })}
          />
          <span aria-hidden="true">=</span>
          <input
            className="form-control"
            aria-label={t('form.labelValueOf', { number: i + 1 })}
            placeholder={t('form.labelValue')}
            value={row.value}
            autoComplete="off"
            onChange={(event) => put(row, { value: event.target.value })}
          />
          <button
            type="button"
            className="btn btn-outline-secondary px-2"
            aria-label={t('form.removeLabel', { number: i + 1 })}
            onClick={() => {
              change(rows.filter((other) => other !== row));
              box.current?.querySelector<HTMLElement>('.add-label')?.focus();
            }}
          >
            <X size={16} aria-hidden="true" />
          </button>
        </div>
      ))}
      {wrong && (
        <div id={`${id}-fault`} className="invalid-feedback d-block mb-2">
          {wrong}
        </div>
      )}
      <Button
        small
        className="add-label"
        icon={<Plus size={14} aria-hidden="true" />}
        onClick={() => {
          change([...rows, labelRow()]);
          requestAnimationFrame(() => {
            const names = box.current?.querySelectorAll<HTMLInputElement>('input');
            names?.[names.length - 2]?.focus();
          });
        }}
      >
        {t('form.addLabel')}
      </Button>
      <div id={`${id}-hint`} className="form-text">
        {t('form.labelsHint')}
      </div>
    </fieldset>
  );
}
