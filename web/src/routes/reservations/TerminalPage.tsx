import { useTranslation } from 'react-i18next';
import { Link, useParams } from 'react-router';
import { useReservation } from '@/features/reservations/queries';
import { Terminal } from '@/features/terminals/Terminal';
import { paths } from '@/lib/paths';
import { Countdown } from '@/ui/Moment';
import { Page } from '@/ui/Page';

export default function TerminalPage() {
  const { t } = useTranslation('terminals');
  const { id = '', machine = '' } = useParams();
  const { data } = useReservation(id);
  return (
    <Page
      title={machine}
      tab={t('title', { machine })}
      above={<Link to={paths.reservation(id)}>{t('back')}</Link>}
      actions={
        data?.state === 'active' && (
          <span className="fs-5">
            <Countdown until={data.expires_at} />{' '}
            <span className="small text-body-secondary">{t('left')}</span>
          </span>
        )
      }
    >
      <Terminal key={`${id}/${machine}`} reservation={id} machine={machine} />
    </Page>
  );
}
