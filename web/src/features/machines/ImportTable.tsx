import type { ColumnDef } from '@tanstack/react-table';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { Imported, ImportedMachine, State } from '@/api/schema';
import { paths } from '@/lib/paths';
import { DataTable } from '@/ui/DataTable';
import { sentence } from '@/ui/states';
import { Tone } from '@/ui/Tone';
import { countsOf, GROUP_TONES, groupOf, GROUPS, OUTCOME_TONES, type Group } from './inventory';
import { MachineState } from './MachineState';

/** Machine by machine what an import would do, or did. */
export function ImportTable({
  imported,
  group,
  pick,
  states,
}: {
  imported: Imported;
  group: Group | null;
  pick: (group: Group | null) => void;
  /** Where the machines are now, after the import. */
  states?: Map<string, State>;
}) {
  const { t } = useTranslation('machines');
  const counts = useMemo(() => countsOf(imported), [imported]);
  const rows = useMemo(
    () => (group ? imported.items.filter((item) => groupOf(item) === group) : imported.items),
    [imported, group],
  );
  const dry = imported.dry_run;
  const columns = useMemo<ColumnDef<ImportedMachine>[]>(() => {
    const nameOf = (g: Group) =>
      t(!dry && g === 'removed' ? 'importing.effectsDone.removed' : `importing.effects.${g}`);
    return [
      {
        id: 'name',
        header: t('name'),
        accessorFn: ({ name }) => name,
        enableSorting: true,
        cell: ({ row: { original } }) =>
          (dry && original.change === 'new') || (!dry && original.change === 'removed') ? (
            original.name
          ) : (
            <Link to={paths.machine(original.name)}>{original.name}</Link>
          ),
        meta: { width: 13 },
      },
      {
        id: 'change',
        header: t('importing.effect'),
        accessorFn: (item) => GROUPS.indexOf(groupOf(item)),
        enableSorting: true,
        cell: ({ row: { original } }) => (
          <Tone tone={GROUP_TONES[groupOf(original)]}>{nameOf(groupOf(original))}</Tone>
        ),
        meta: { width: 9 },
      },
      {
        id: 'fields',
        header: t('importing.fields'),
        cell: ({ row: { original } }) => (
          <span className="labels-line">
            {original.fields.map((field) => (
              <span key={field} className="tag">
                {field}
              </span>
            ))}
          </span>
        ),
        meta: { from: 'md', width: 12 },
      },
      {
        id: 'message',
        header: t(dry ? 'importing.message' : 'importing.messageDone'),
        cell: ({ row: { original } }) => (
          <span title={original.message}>{original.message ? sentence(original.message) : '–'}</span>
        ),
        meta: { from: 'sm' },
      },
      ...(dry
        ? []
        : [
            {
              id: 'now',
              header: t('importing.now'),
              cell: ({ row: { original } }) => <Now item={original} state={states?.get(original.name)} />,
              meta: { width: 9 },
            } satisfies ColumnDef<ImportedMachine>,
          ]),
    ];
  }, [t, dry, states]);
  return (
    <>
      <div className="d-flex flex-wrap gap-2 mb-3" role="group" aria-label={t('importing.only')}>
        <GroupButton
          text={t('common:all')}
          count={imported.items.length}
          on={!group}
          act={() => pick(null)}
        />
        {GROUPS.filter((one) => counts.has(one)).map((one) => (
          <GroupButton
            key={one}
            text={
              <Tone tone={GROUP_TONES[one]}>
                {t(!dry && one === 'removed' ? 'importing.effectsDone.removed' : `importing.effects.${one}`)}
              </Tone>
            }
            count={counts.get(one) ?? 0}
            on={group === one}
            act={() => pick(one)}
          />
        ))}
      </div>
      <DataTable
        rows={rows}
        columns={columns}
        id={(item) => item.name}
        label={t(dry ? 'importing.plan' : 'importing.result')}
        empty={<p className="text-body-secondary mb-0">{t('importing.nothing')}</p>}
        fixed
      />
    </>
  );
}

function Now({ item, state }: { item: ImportedMachine; state: State | undefined }) {
  const { t } = useTranslation('machines');
  if (state) return <MachineState state={state} />;
  if (!item.outcome) return <>–</>;
  return <Tone tone={OUTCOME_TONES[item.outcome]}>{t(`importing.outcomes.${item.outcome}`)}</Tone>;
}

function GroupButton({
  text,
  count,
  on,
  act,
}: {
  text: React.ReactNode;
  count: number;
  on: boolean;
  act: () => void;
}) {
  return (
    <button type="button" className="chip chip-choice" aria-pressed={on} onClick={act}>
      {text}
      <span className="numbers text-body-secondary">{count}</span>
    </button>
  );
}
