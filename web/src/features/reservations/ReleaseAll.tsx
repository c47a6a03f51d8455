import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { ReleaseAllView } from '@/api/schema';
import { paths } from '@/lib/paths';
import { Button } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { Panel } from '@/ui/Page';
import { Tone } from '@/ui/Tone';
import { releaseAll } from './queries';
import { shortId } from './words';

/** Asks for a typed word, then takes everything back. */
export function ReleaseAllButton({
  refused,
  onDone,
}: {
  refused: string | null;
  onDone: (result: ReleaseAllView) => void;
}) {
  const { t } = useTranslation('reservations');
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button look="outline-danger" refused={refused} onClick={() => setAsking(true)}>
        {t('releaseAll.action')}
      </Button>
      {asking && (
        <Confirm
          title={t('releaseAll.title')}
          action={t('releaseAll.action')}
          word={t('releaseAll.word')}
          act={async () => {
            onDone(await releaseAll());
          }}
          close={() => setAsking(false)}
        >
          <p className="mb-0">{t('releaseAll.text')}</p>
        </Confirm>
      )}
    </>
  );
}

/** What happened to each. */
export function ReleaseAllResult({ result, close }: { result: ReleaseAllView; close: () => void }) {
  const { t } = useTranslation(['reservations', 'common']);
  return (
    <Panel
      title={t('releaseAll.done', { count: result.released })}
      actions={
        <Button small onClick={close}>
          {t('common:close')}
        </Button>
      }
      flush
      className="mb-4"
    >
      {result.results.length === 0 ? (
        <p className="px-4 pb-3 mb-0 text-body-secondary">{t('releaseAll.nothing')}</p>
      ) : (
        <div className="table-responsive">
          <table className="table quiet-table mb-0" aria-label={t('releaseAll.results')}>
            <thead>
              <tr>
                <th scope="col" className="ps-4">
                  {t('column.id')}
                </th>
                <th scope="col">{t('column.owner')}</th>
                <th scope="col">{t('column.outcome')}</th>
                <th scope="col" className="pe-4">
                  {t('column.message')}
                </th>
              </tr>
            </thead>
            <tbody>
              {result.results.map((one) => (
                <tr key={one.reservation_id}>
                  <td className="ps-4">
                    <Link to={paths.reservation(one.reservation_id)} className="font-monospace">
                      {shortId(one.reservation_id)}
                    </Link>
                  </td>
                  <td>{one.owner}</td>
                  <td>
                    <Tone
                      tone={one.outcome === 'failed' ? 'bad' : one.outcome === 'released' ? 'good' : 'off'}
                    >
                      {t(`releaseAll.outcome.${one.outcome.replace(' ', '_')}`)}
                    </Tone>
                  </td>
                  <td className="pe-4">{one.message}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
