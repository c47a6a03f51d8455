import { Fragment, useId } from 'react';
import { useTranslation } from 'react-i18next';
import { languages } from '@/lib/i18n';
import { prefer, preferences, type Theme } from '@/lib/preferences';
import { useStore } from '@/lib/store';
import { moment, timeZone, useNow } from '@/lib/time';
import { SelectField } from '@/ui/fields';
import { Panel } from '@/ui/Page';

const THEMES: Theme[] = ['auto', 'light', 'dark'];

/** How the page looks and speaks, in this browser. */
export function AppearancePanel() {
  const { t, i18n } = useTranslation('settings');
  const { language, timeZone: zone } = useStore(preferences);
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const now = useNow();
  return (
    <Panel title={t('look.title')}>
      <p className="text-body-secondary">{t('look.lead')}</p>
      <ThemeChoice />
      <SelectField
        label={t('look.language')}
        value={language ?? ''}
        onChange={(tag) => prefer({ language: tag || null })}
        options={[
          { value: '', label: t('look.browser') },
          ...languages.map(({ tag, name }) => ({ value: tag, label: name })),
        ]}
      />
      <SelectField
        label={t('look.zone')}
        value={zone ?? ''}
        onChange={(name) => prefer({ timeZone: name || null })}
        hint={t('look.now', { time: moment(now, i18n.language), zone: timeZone() })}
        options={[
          { value: '', label: t('look.browserZone', { zone: own }) },
          ...zones(zone).map((name) => ({ value: name, label: name })),
        ]}
        className="mb-0"
      />
    </Panel>
  );
}

function zones(chosen: string | null): string[] {
  const all = new Set(['UTC', ...Intl.supportedValuesOf('timeZone')]);
  if (chosen) all.add(chosen);
  return [...all];
}

function ThemeChoice() {
  const { t } = useTranslation(['settings', 'shell']);
  const { theme } = useStore(preferences);
  const name = useId();
  return (
    <fieldset className="mb-3">
      <legend className="form-label fs-4">{t('look.theme')}</legend>
      <div className="btn-group">
        {THEMES.map((value) => (
          <Fragment key={value}>
            <input
              type="radio"
              className="btn-check"
              name={name}
              id={`${name}-${value}`}
              checked={theme === value}
              onChange={() => prefer({ theme: value })}
            />
            <label className="btn btn-outline-secondary" htmlFor={`${name}-${value}`}>
              {t(`shell:themes.${value}`)}
            </label>
          </Fragment>
        ))}
      </div>
    </fieldset>
  );
}
