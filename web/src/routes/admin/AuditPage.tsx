import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { actions, isKnown, sinceOf, spans } from '@/features/audit/actions';
import { AuditTable } from '@/features/audit/AuditTable';
import { useAudit } from '@/features/audit/queries';
import { moment, now } from '@/lib/time';
import { useUrlText } from '@/lib/url';
import { Button } from '@/ui/Button';
import { SelectField, TextField } from '@/ui/fields';
import { Page } from '@/ui/Page';
import { Empty } from '@/ui/states';

export default function AuditPage() {
  const { t, i18n } = useTranslation(['audit', 'common']);
  const [actor, setActor] = useUrlText('actor');
  const [action, setAction] = useUrlText('action');
  const [since, setSince] = useUrlText('since');
  const audit = useAudit({ actor, action, since });
  const kinds = Object.entries(actions).flatMap(([kind, verbs]) => [
    { value: kind, label: t(`kinds.${kind}`) },
    ...verbs.map((verb) => ({ value: `${kind}.${verb}`, label: `\u2003${t(`did.${kind}.${verb}`)}` })),
  ]);
  const isNamed = Object.hasOwn(actions, action) || isKnown(action);
  const from = since && !Object.hasOwn(spans, since) ? sinceOf(since, now()) : null;
  return (
    <Page
      title={t('title')}
      lead={t('lead')}
      actions={<Button onClick={() => void audit.refetch()}>{t('common:refresh')}</Button>}
    >
      <div className="filters mb-3">
        <Actor key={actor} value={actor} set={setActor} />
        <SelectField
          label={t('action')}
          value={action}
          onChange={setAction}
          options={[
            { value: '', label: t('everything') },
            ...(action && !isNamed ? [{ value: action, label: action }] : []),
            ...kinds,
          ]}
          className=""
        />
        <SelectField
          label={t('since')}
          value={since}
          onChange={setSince}
          options={[
            { value: '', label: t('always') },
            ...Object.keys(spans).map((span) => ({ value: span, label: t(`spans.${span}`) })),
            ...(from ? [{ value: since, label: moment(from, i18n.language) }] : []),
          ]}
          className=""
        />
      </div>
      <AuditTable
        audit={audit}
        empty={<Empty title={t('none')}>{t(actor || action || since ? 'noneFound' : 'noneText')}</Empty>}
      />
    </Page>
  );
}

/** The server finds whole names only, so it is asked when the typing rests. */
function Actor({ value, set }: { value: string; set: (value: string) => void }) {
  const { t } = useTranslation('audit');
  const [typed, setTyped] = useState(value);
  useEffect(() => {
    if (typed.trim() === value) return;
    const timer = setTimeout(() => set(typed.trim()), 400);
    return () => clearTimeout(timer);
  });
  return (
    <TextField
      label={t('actor')}
      type="search"
      value={typed}
      onChange={setTyped}
      placeholder={t('actorHint')}
      autoComplete="off"
      className=""
    />
  );
}
