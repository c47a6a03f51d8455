import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { RunTable } from '@/features/provisioning/RunTable';
import { useRuns } from '@/features/provisioning/queries';
import { RUN_STATES } from '@/features/provisioning/state';
import { Button } from '@/ui/Button';
import { SelectField, TextField } from '@/ui/fields';
import { Page } from '@/ui/Page';
import { Empty } from '@/ui/states';

export default function RunsPage() {
  const { t } = useTranslation('runs');
  const [query, setQuery] = useSearchParams();
  const state = RUN_STATES.find((one) => one === query.get('state'));
  const machine = query.get('machine') ?? '';
  const reservation = query.get('reservation') ?? '';
  const list = useRuns({
    ...(state ? { state } : {}),
    ...(machine ? { machine } : {}),
    ...(reservation ? { reservation } : {}),
  });
  const change = (name: string, value: string) => {
    const next = new URLSearchParams(query);
    if (value) next.set(name, value);
    else next.delete(name);
    setQuery(next, { replace: true });
  };
  const isCut = Boolean(state ?? (machine || reservation));
  return (
    <Page title={t('title')} lead={t('lead')}>
      <div className="d-flex flex-wrap gap-3 mb-3 align-items-end" role="search">
        <SelectField
          label={t('column.state')}
          value={state ?? ''}
          onChange={(value) => change('state', value)}
          options={[
            { value: '', label: t('anyState') },
            ...RUN_STATES.map((value) => ({ value, label: t(`state.${value}`) })),
          ]}
          className=""
        />
        <TextField
          label={t('log.machine')}
          type="search"
          value={machine}
          onChange={(value) => change('machine', value.trim())}
          placeholder={t('wholeName')}
          autoComplete="off"
          className=""
        />
        {isCut && <Button onClick={() => setQuery({}, { replace: true })}>{t('log.clear')}</Button>}
      </div>
      <RunTable
        rows={list.items}
        error={list.error}
        retry={() => void list.refetch()}
        more={list.hasNextPage && !list.isFetchingNextPage ? () => void list.fetchNextPage() : null}
        empty={<Empty title={t(isCut ? 'noneSuch' : 'none')}>{t(isCut ? 'noneSuchText' : 'noneText')}</Empty>}
      />
    </Page>
  );
}
