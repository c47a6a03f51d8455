import { Minus, Plus } from 'lucide-react';
import { useId, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { AvailableView, PoolView, SshKeyView } from '@/api/schema';
import { preferences } from '@/lib/preferences';
import { paths } from '@/lib/paths';
import { useStore } from '@/lib/store';
import { parseDuration, timeZone } from '@/lib/time';
import { fromZoned, toZoned } from '@/lib/zone';
import { spanText } from '@/lib/span';
import { CheckField, SelectField, TextField } from '@/ui/fields';
import { Panel } from '@/ui/Page';
import { choicesOf, countOf, type Access, type Draft } from './booking';
import { Chips } from './Chips';

type Change = (change: Partial<Draft>) => void;
type Said = Partial<Record<keyof Draft | 'labels', string | undefined>>;

const DURATIONS = ['30m', '1h', '2h', '4h', '8h'] as const;

/** How many, for how long, of which kind. */
export function WhatFields({
  draft,
  change,
  said,
  pools,
  pool,
  offer,
}: {
  draft: Draft;
  change: Change;
  said: Said;
  pools: PoolView[];
  pool: PoolView | undefined;
  /** What there is in the pool, whatever the labels. */
  offer: AvailableView | undefined;
}) {
  const { t, i18n } = useTranslation('reservations');
  const tooLong = (text: string) => {
    const minutes = parseDuration(text) ?? 0;
    return pool && pool.max_minutes < minutes
      ? t('fault.durationMost', { pool: pool.name, span: spanText(pool.max_minutes, i18n.language) })
      : null;
  };
  const minutes = parseDuration(draft.duration);
  return (
    <Panel title={t('form.what')}>
      <div className="row g-4">
        <div className="col-sm-5">
          <CountField
            value={draft.count}
            onChange={(count) => change({ count })}
            most={pool?.max_count}
            fault={said.count}
          />
        </div>
        <div className="col-sm-7">
          <TextField
            label={t('form.duration')}
            name="duration"
            value={draft.duration}
            onChange={(duration) => change({ duration })}
            fault={said.duration}
            hint={t('form.durationHint')}
            autoComplete="off"
            className="mb-2"
          />
          <Chips
            label={t('form.durations')}
            options={DURATIONS.map((value) => ({
              value,
              text: spanText(parseDuration(value) ?? 0, i18n.language),
              refused: tooLong(value),
            }))}
            value={DURATIONS.find((value) => parseDuration(value) === minutes) ?? null}
            onChoose={(duration) => change({ duration })}
          />
        </div>
      </div>
      {pools.length > 1 && (
        <div className="row g-4 mt-0">
          <div className="col-sm-5">
            <SelectField
              label={t('form.pool')}
              value={draft.pool || (pools[0]?.name ?? '')}
              onChange={(name) => change({ pool: name === pools[0]?.name ? '' : name, labels: {} })}
              options={pools.map((one) => ({
                value: one.name,
                label: one.may_book
                  ? t('form.poolOption', { name: one.name, ready: one.ready, machines: one.machines })
                  : t('form.poolClosed', { name: one.name }),
                disabled: !one.may_book,
              }))}
              fault={said.pool}
              className="mb-0"
            />
          </div>
        </div>
      )}
      <LabelFields draft={draft} change={change} offer={offer} fault={said.labels} />
    </Panel>
  );
}

function CountField({
  value,
  onChange,
  most,
  fault,
}: {
  value: string;
  onChange: (value: string) => void;
  most: number | undefined;
  fault: string | undefined;
}) {
  const { t } = useTranslation('reservations');
  const id = useId();
  const count = countOf(value) ?? 0;
  const described = [fault ? `${id}-fault` : '', most ? `${id}-hint` : ''].filter(Boolean).join(' ');
  return (
    <div>
      <label htmlFor={id} className="form-label">
        {t('form.count')}
      </label>
      <div className="input-group">
        <button
          type="button"
          className="btn btn-outline-secondary d-inline-flex align-items-center"
          aria-label={t('form.fewer')}
          disabled={count <= 1}
          onClick={() => onChange(String(Math.max(1, count - 1)))}
        >
          <Minus size={16} aria-hidden="true" />
        </button>
        <input
          id={id}
          name="count"
          inputMode="numeric"
          autoComplete="off"
          className={`form-control text-center numbers ${fault ? 'is-invalid' : ''}`}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          aria-invalid={fault ? true : undefined}
          aria-describedby={described || undefined}
        />
        <button
          type="button"
          className="btn btn-outline-secondary d-inline-flex align-items-center"
          aria-label={t('form.more')}
          disabled={most !== undefined && most <= count}
          onClick={() => onChange(String(count + 1))}
        >
          <Plus size={16} aria-hidden="true" />
        </button>
      </div>
      {fault && (
        <div id={`${id}-fault`} className="invalid-feedback d-block">
          {fault}
        </div>
      )}
      {most !== undefined && (
        <div id={`${id}-hint`} className="form-text">
          {t('form.countHint', { count: most })}
        </div>
      )}
    </div>
  );
}

function LabelFields({
  draft,
  change,
  offer,
  fault,
}: {
  draft: Draft;
  change: Change;
  offer: AvailableView | undefined;
  fault: string | undefined;
}) {
  const { t } = useTranslation('reservations');
  const choices = choicesOf(offer?.labels ?? {});
  // What the address asked for stays visible, also when no machine has it.
  for (const [key, value] of Object.entries(draft.labels)) {
    let found = choices.find((choice) => choice.key === key);
    if (!found) choices.push((found = { key, values: [] }));
    if (!found.values.some((choice) => choice.value === value)) {
      found.values.push({ value, available: 0, total: 0 });
    }
  }
  if (choices.length === 0) return null;
  const ANY = '\u0000';
  return (
    <fieldset className="mt-4">
      <legend className="form-label fs-4 mb-2">{t('form.labels')}</legend>
      <div className="label-fields">
        {choices.map(({ key, values }) => (
          <SelectField
            key={key}
            label={<span className="fw-normal text-body-secondary">{key}</span>}
            value={draft.labels[key] ?? ANY}
            onChange={(value) => {
              const { [key]: _before, ...others } = draft.labels;
              change({ labels: value === ANY ? others : { ...others, [key]: value } });
            }}
            options={[
              { value: ANY, label: t('form.anyLabel') },
              ...values.map(({ value, available, total }) => ({
                value,
                label: t('form.labelOption', { value: value || '–', available, total }),
              })),
            ]}
            className="mb-0"
          />
        ))}
      </div>
      {fault && <div className="invalid-feedback d-block">{fault}</div>}
    </fieldset>
  );
}

/** How one gets in. */
export function AccessFields({
  draft,
  change,
  said,
  keys,
}: {
  draft: Draft;
  change: Change;
  said: Said;
  keys: SshKeyView[] | undefined;
}) {
  const { t } = useTranslation('reservations');
  const choose = (access: Access) => change({ access });
  const none = keys?.length === 0;
  return (
    <Panel title={t('form.access')}>
      <fieldset>
        <legend className="visually-hidden">{t('form.access')}</legend>
        <Choice
          name="access"
          checked={draft.access === 'keys'}
          disabled={none}
          onChoose={() => choose('keys')}
          label={t('form.keys', { count: keys?.length ?? 0 })}
          hint={
            none ? (
              <>
                {t('form.noKeys')} <Link to={paths.settings}>{t('form.addKey')}</Link>
              </>
            ) : (
              keys?.map((key) => (
                <span key={key.id} className="d-block text-truncate">
                  {key.name || t('form.unnamed')} · <span className="font-monospace">{key.fingerprint}</span>
                </span>
              ))
            )
          }
        />
        <Choice
          name="access"
          checked={draft.access === 'made'}
          onChoose={() => choose('made')}
          label={t('form.made')}
          hint={t('form.madeHint')}
        />
        <Choice
          name="access"
          checked={draft.access === 'password'}
          onChoose={() => choose('password')}
          label={t('form.password')}
        >
          <TextField
            label={t('form.passwordField')}
            type="password"
            autoComplete="new-password"
            value={draft.password}
            onChange={(password) => change({ password })}
            fault={said.password}
            hint={t('form.passwordHint')}
            className="mb-0"
          />
        </Choice>
        <Choice
          name="access"
          checked={draft.access === 'key'}
          onChoose={() => choose('key')}
          label={t('form.key')}
        >
          <TextField
            label={t('form.keyField')}
            value={draft.key}
            onChange={(key) => change({ key })}
            fault={said.key}
            rows={3}
            mono
            placeholder="ssh-ed25519 AAAA… me@laptop"
            className="mb-0"
          />
        </Choice>
      </fieldset>
      {keys && keys.length > 0 && draft.access !== 'keys' && (
        <p className="form-text mb-0 mt-2">{t('form.keysToo', { count: keys.length })}</p>
      )}
    </Panel>
  );
}

function Choice({
  name,
  checked,
  disabled = false,
  onChoose,
  label,
  hint,
  children,
}: {
  name: string;
  checked: boolean;
  disabled?: boolean;
  onChoose: () => void;
  label: ReactNode;
  hint?: ReactNode;
  /** What more is asked for when it is chosen. */
  children?: ReactNode;
}) {
  const id = useId();
  return (
    <div className="form-check mb-2">
      <input
        id={id}
        type="radio"
        name={name}
        className="form-check-input"
        checked={checked}
        disabled={disabled}
        onChange={onChoose}
        aria-describedby={hint ? `${id}-hint` : undefined}
      />
      <label htmlFor={id} className="form-check-label">
        {label}
      </label>
      {hint && (
        <div id={`${id}-hint`} className="form-text mt-0">
          {hint}
        </div>
      )}
      {checked && children && <div className="mt-2">{children}</div>}
    </div>
  );
}

/** When it begins, and whether to wait for it. */
export function WhenFields({
  draft,
  change,
  said,
  now,
}: {
  draft: Draft;
  change: Change;
  said: Said;
  now: number;
}) {
  const { t } = useTranslation('reservations');
  useStore(preferences);
  const zone = timeZone();
  return (
    <Panel title={t('form.when')}>
      <fieldset>
        <legend className="visually-hidden">{t('form.when')}</legend>
        <Choice
          name="when"
          checked={!draft.later}
          onChoose={() => change({ later: false })}
          label={t('form.atOnce')}
        />
        <Choice
          name="when"
          checked={draft.later}
          onChoose={() =>
            change({
              later: true,
              startsAt: draft.startsAt ?? Math.ceil((now + 1_800_000) / 900_000) * 900_000,
            })
          }
          label={t('form.later')}
        >
          <TextField
            label={t('form.startsAt')}
            type="datetime-local"
            value={draft.startsAt === null ? '' : toZoned(draft.startsAt, zone)}
            onChange={(text) => change({ startsAt: fromZoned(text, zone) })}
            fault={said.startsAt}
            hint={t('form.startsAtHint', { zone })}
            className="mb-0"
          />
        </Choice>
      </fieldset>
      {!draft.later && (
        <CheckField
          label={t('form.wait')}
          hint={t('form.waitHint')}
          checked={draft.wait}
          onChange={(wait) => change({ wait })}
          className="mt-3 mb-0"
        />
      )}
    </Panel>
  );
}
