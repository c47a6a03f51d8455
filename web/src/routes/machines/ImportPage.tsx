import { FileUp } from 'lucide-react';
import { useMemo, useRef, useState, type DragEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { asProblem, type Problem } from '@/api/problem';
import { useMe } from '@/api/session';
import type { Imported, State } from '@/api/schema';
import { ImportTable } from '@/features/machines/ImportTable';
import {
  asTyped,
  doesSomething,
  EXAMPLE,
  MAX_BYTES,
  missingOf,
  type Group,
} from '@/features/machines/inventory';
import { usePool } from '@/features/machines/pool';
import { importMachines } from '@/features/machines/queries';
import { masked, secretSpans } from '@/features/machines/secrets';
import { YamlEditor, type EditorHandle, type Mark } from '@/features/machines/YamlEditor';
import { paths } from '@/lib/paths';
import { Button, ButtonLink } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { CheckField } from '@/ui/fields';
import { Page, Panel } from '@/ui/Page';
import { Refusal, sentence } from '@/ui/states';
import { say } from '@/ui/toasts';

/** What would happen, and for which list that was said. */
interface Plan {
  text: string;
  remove: boolean;
  imported: Imported;
}

/** The most names that a sentence lists. */
const NAMES = 12;

export default function ImportPage() {
  const { t } = useTranslation(['machines', 'common']);
  const { isAdmin } = useMe();
  const [text, setText] = useState('');
  const [showSecrets, setShowSecrets] = useState(false);
  const [plan, setPlan] = useState<Plan | null>(null);
  const [done, setDone] = useState<Imported | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [remove, setRemove] = useState(false);
  const [busy, setBusy] = useState<'check' | 'import' | null>(null);
  const [asking, setAsking] = useState(false);
  const [group, setGroup] = useState<Group | null>(null);
  const editor = useRef<EditorHandle>(null);
  const outcome = useRef<HTMLDivElement>(null);

  const edit = (next: string) => {
    setText(next);
    setProblem(null);
  };
  const show = () => requestAnimationFrame(() => outcome.current?.scrollIntoView({ block: 'nearest' }));
  const check = async (withRemove: boolean) => {
    setBusy('check');
    setProblem(null);
    try {
      const imported = await importMachines(text, { dryRun: true, remove: withRemove });
      setPlan({ text, remove: withRemove, imported });
      setGroup(null);
    } catch (refusal) {
      setPlan(null);
      setProblem(asProblem(refusal));
    } finally {
      setBusy(null);
      show();
    }
  };
  const run = async () => {
    setBusy('import');
    setProblem(null);
    try {
      const imported = await importMachines(text, { dryRun: false, remove });
      const { failed } = imported.summary;
      say(
        failed > 0 ? t('importing.doneBad', { count: failed }) : t('importing.done'),
        failed > 0 ? 'busy' : 'good',
      );
      setDone(imported);
      setPlan(null);
      setGroup(null);
      setShowSecrets(false);
    } catch (refusal) {
      setProblem(asProblem(refusal));
    } finally {
      setBusy(null);
      show();
    }
  };
  const isOld = plan !== null && plan.text !== text;
  const missing = useMemo(() => (plan ? missingOf(plan.imported) : []), [plan]);
  const idle = plan !== null && !doesSomething(plan.imported, remove);
  const notNow = !isAdmin ? t('refused.notAdmin') : !text.trim() ? t('importing.empty') : null;
  const noImport =
    notNow ?? (!plan || isOld ? t('importing.checkFirst') : idle ? t('importing.nothing') : null);
  return (
    <Page
      title={t('importing.title')}
      lead={t('importing.lead')}
      above={<Link to={paths.machines}>{t('title')}</Link>}
    >
      <div className="d-flex flex-column gap-4">
        <Panel
          title={t('importing.editor')}
          actions={
            done ? (
              <Button small onClick={() => setDone(null)}>
                {t('importing.again')}
              </Button>
            ) : (
              <FileButton load={edit} />
            )
          }
        >
          <DropZone load={edit} off={done !== null}>
            <YamlEditor
              label={t('importing.editor')}
              text={text}
              change={edit}
              marks={marksOf(problem)}
              showSecrets={showSecrets}
              readOnly={done !== null || busy !== null}
              describedBy="inventory-hint"
              ref={editor}
            />
          </DropZone>
          <p id="inventory-hint" className="form-text mb-0">
            {t('importing.hint')}
          </p>
          <div className="d-flex flex-wrap gap-3 align-items-center mt-3">
            {!done && (
              <Button
                look={plan && !isOld ? 'outline-secondary' : 'primary'}
                busy={busy === 'check'}
                refused={notNow}
                onClick={() => check(remove)}
              >
                {t('importing.check')}
              </Button>
            )}
            {!text && (
              <Button look="link" onClick={() => edit(EXAMPLE)}>
                {t('importing.example')}
              </Button>
            )}
            <CheckField
              className="mb-0 ms-sm-auto"
              label={t('importing.showSecrets')}
              checked={showSecrets}
              disabled={done !== null}
              onChange={setShowSecrets}
            />
          </div>
        </Panel>
        <div ref={outcome} aria-live="polite">
          {problem && (
            <Faults
              problem={problem}
              text={text}
              goTo={(mark) => editor.current?.goTo(mark.line, mark.column)}
            />
          )}
          {plan && !problem && (
            <Panel title={t('importing.plan')}>
              {isOld && (
                <div className="alert alert-warning py-2" role="status">
                  {t('importing.planOld')}
                </div>
              )}
              <ImportTable imported={plan.imported} group={group} pick={setGroup} />
              {missing.length > 0 && (
                <CheckField
                  className="mt-3 mb-0"
                  label={t('importing.remove', { count: missing.length })}
                  hint={
                    <span className="text-break">
                      {t('importing.removeHint', { names: someOf(missing) })}
                    </span>
                  }
                  checked={remove}
                  disabled={busy !== null || isOld}
                  onChange={(wanted) => {
                    setRemove(wanted);
                    // Whether an address may be taken over depends on it.
                    void check(wanted);
                  }}
                />
              )}
              <div className="mt-4">
                <Button
                  look={remove && missing.length > 0 ? 'danger' : 'primary'}
                  busy={busy === 'import'}
                  refused={noImport}
                  onClick={() => (remove && missing.length > 0 ? setAsking(true) : void run())}
                >
                  {t('importing.import')}
                </Button>
              </div>
            </Panel>
          )}
          {done && !problem && <Done imported={done} group={group} pick={setGroup} />}
        </div>
      </div>
      {asking && (
        <Confirm
          title={t('importing.removeTitle', { count: missing.length })}
          action={t('importing.import')}
          word={t('importing.removeWord')}
          close={() => setAsking(false)}
          act={run}
        >
          <p>{t('importing.removeText')}</p>
          <ul className="name-list" tabIndex={0} aria-label={t('importing.removeText')}>
            {missing.map((name) => (
              <li key={name}>{name}</li>
            ))}
          </ul>
        </Confirm>
      )}
    </Page>
  );
}

/** What was done, with where the machines are now. */
function Done({
  imported,
  group,
  pick,
}: {
  imported: Imported;
  group: Group | null;
  pick: (group: Group | null) => void;
}) {
  const { t } = useTranslation('machines');
  const { machines } = usePool();
  const states = useMemo(
    () => new Map<string, State>(machines?.map(({ name, state }) => [name, state])),
    [machines],
  );
  const { failed } = imported.summary;
  return (
    <Panel
      title={failed > 0 ? t('importing.doneBad', { count: failed }) : t('importing.done')}
      actions={
        <ButtonLink to={paths.machines} small>
          {t('importing.allMachines')}
        </ButtonLink>
      }
    >
      <ImportTable imported={imported} group={group} pick={pick} states={states} />
    </Panel>
  );
}

function marksOf(problem: Problem | null): Mark[] {
  return (problem?.errors ?? []).flatMap(({ line, column, detail }) =>
    line ? [{ line, column: column ?? 1, text: sentence(detail) }] : [],
  );
}

/** Every fault with its place; a press goes there. The line is quoted with its secrets covered. */
function Faults({ problem, text, goTo }: { problem: Problem; text: string; goTo: (mark: Mark) => void }) {
  const { t } = useTranslation('machines');
  const marks = useMemo(() => marksOf(problem), [problem]);
  const lines = useMemo(() => text.split('\n'), [text]);
  const spans = useMemo(() => secretSpans(lines), [lines]);
  if (marks.length === 0) return <Refusal error={problem} />;
  const placeless = problem.errors.filter(({ line }) => !line);
  return (
    <Panel title={t('importing.faults', { count: problem.errors.length })} flush className="mb-0">
      <ul className="fault-list pb-3">
        {marks.map((mark, i) => {
          const line = masked(lines[mark.line - 1] ?? '', spans.get(mark.line - 1)).trim();
          return (
            <li key={i}>
              <button type="button" onClick={() => goTo(mark)}>
                <span
                  className="numbers tone-bad flex-shrink-0"
                  style={{ color: 'var(--tone)', minWidth: '4.5ch' }}
                >
                  {t('importing.place', { line: mark.line, column: mark.column })}
                </span>
                <span className="min-w-0">
                  {mark.text}
                  {line && <code className="d-block text-body-secondary text-truncate">{line}</code>}
                </span>
              </button>
            </li>
          );
        })}
        {placeless.map(({ detail }, i) => (
          <li key={`whole-${i}`} className="px-4 py-2">
            {sentence(detail)}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function someOf(names: string[]): string {
  return names.slice(0, NAMES).join(', ') + (names.length > NAMES ? ', …' : '');
}

async function readFile(file: File): Promise<string | null> {
  return file.size > MAX_BYTES ? null : asTyped(await file.text());
}

function useLoad(load: (text: string) => void) {
  const { t } = useTranslation('machines');
  return async (file: File | null | undefined) => {
    if (!file) return;
    try {
      const text = await readFile(file);
      if (text === null) say(t('importing.tooLarge', { name: file.name }), 'bad');
      else load(text);
    } catch {
      say(t('importing.unreadable', { name: file.name }), 'bad');
    }
  };
}

function FileButton({ load }: { load: (text: string) => void }) {
  const { t } = useTranslation('machines');
  const input = useRef<HTMLInputElement>(null);
  const take = useLoad(load);
  return (
    <>
      <Button small icon={<FileUp size={15} aria-hidden="true" />} onClick={() => input.current?.click()}>
        {t('importing.open')}
      </Button>
      <input
        ref={input}
        type="file"
        accept=".yml,.yaml,.json,text/yaml,application/yaml"
        hidden
        onChange={(event) => {
          void take(event.target.files?.[0]);
          // The same file may be opened again after it was changed.
          event.target.value = '';
        }}
      />
    </>
  );
}

function DropZone({
  load,
  off,
  children,
}: {
  load: (text: string) => void;
  off: boolean;
  children: React.ReactNode;
}) {
  const [over, setOver] = useState(false);
  const take = useLoad(load);
  const drag = (event: DragEvent) => {
    if (off || !event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    setOver(true);
  };
  return (
    <div
      className={over ? 'drop-here' : undefined}
      onDragOver={drag}
      onDragEnter={drag}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        if (off) return;
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer.files[0]);
      }}
    >
      {children}
    </div>
  );
}
