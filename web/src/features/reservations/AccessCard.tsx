import { Eye, EyeOff, SquareTerminal } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { PlaceView, ReservationView } from '@/api/schema';
import { paths } from '@/lib/paths';
import { Button, ButtonLink } from '@/ui/Button';
import { CodeLine, CopyButton } from '@/ui/CopyButton';
import { Panel } from '@/ui/Page';
import { Tone } from '@/ui/Tone';
import { knownHost, showByCurl, sshByBerth } from './access';
import { forgetPassword, useMadePassword } from './secrets';
import { seatTone } from './state';
import { placesOf } from './words';

/** How to get to the machines. Secrets are in the page only while they are looked at. */
export function AccessCard({ reservation, isOwner }: { reservation: ReservationView; isOwner: boolean }) {
  const { t } = useTranslation('reservations');
  const places = placesOf(reservation).filter((place) => place.ssh ?? place.error);
  const username = reservation.machines[0]?.username ?? reservation.owner;
  const first = places[0];
  return (
    <Panel title={t('access.title')}>
      {isOwner && <Password reservation={reservation} />}
      <dl className="facts mb-3">
        <dt>{t('access.username')}</dt>
        <dd className="d-flex align-items-center gap-2">
          <code className="text-body user-select-all">{username}</code>
          <CopyButton text={username} />
        </dd>
      </dl>
      {places.length === 0 && <p className="text-body-secondary mb-0">{t('access.soon')}</p>}
      {first && (
        <>
          <ul className="list-unstyled d-grid gap-4 mb-3 grid-content">
            {places.map((place) => (
              <Place key={place.machine} reservation={reservation} place={place} isOwner={isOwner} />
            ))}
          </ul>
          <div className="d-flex flex-wrap gap-2 align-items-center border-top pt-3">
            <CopyButton text={sshByBerth(reservation.id, first.machine)} label={t('access.asBerth')} />
            <CopyButton text={showByCurl(location.origin, reservation.id)} label={t('access.asCurl')} />
          </div>
        </>
      )}
    </Panel>
  );
}

function Place({
  reservation,
  place,
  isOwner,
}: {
  reservation: ReservationView;
  place: PlaceView;
  isOwner: boolean;
}) {
  const { t } = useTranslation('reservations');
  const known = knownHost(place);
  return (
    <li data-testid={`place-${place.machine}`}>
      <div className="d-flex flex-wrap align-items-center gap-3 mb-2">
        <h3 className="h4 mb-0">{place.machine}</h3>
        <Tone
          tone={seatTone(place.state)}
          moving={place.state === 'provisioning' || place.state === 'cleaning'}
        >
          {t(`seat.${place.state}`)}
        </Tone>
        <span className="ms-auto">
          <ButtonLink
            to={paths.terminal(reservation.id, place.machine)}
            small
            icon={<SquareTerminal size={15} aria-hidden="true" />}
            refused={
              !isOwner
                ? t('access.terminalOwner')
                : place.state !== 'active'
                  ? t('access.terminalLater')
                  : null
            }
          >
            {t('access.terminal')}
          </ButtonLink>
        </span>
      </div>
      {place.error && <p className="small text-danger mb-2">{place.error}</p>}
      {place.ssh && <CodeLine text={place.ssh} />}
      {place.ssh && place.host_key_fingerprint && (
        <p className="small text-body-secondary mb-0 mt-2 d-flex flex-wrap flex-xl-nowrap align-items-center gap-2">
          <span className="text-break me-auto">
            {t('access.hostKey')} <code className="text-body">{place.host_key_fingerprint}</code>
          </span>
          {known && <CopyButton text={known} label={t('access.knownHosts')} />}
        </p>
      )}
    </li>
  );
}

/** The password that was made, for as long as this tab remembers it. */
function Password({ reservation }: { reservation: ReservationView }) {
  const { t } = useTranslation('reservations');
  const password = useMadePassword(reservation.id);
  const [isShown, setShown] = useState(false);
  if (password === null) return <p className="text-body-secondary">{t('access.how')}</p>;
  return (
    <div className="alert alert-warning py-3" role="status">
      <p className="mb-2">
        <strong>{t('access.passwordTitle')}</strong> {t('access.passwordText')}
      </p>
      <div className="d-flex flex-wrap align-items-center gap-2">
        <code className="fs-3 text-body user-select-all" data-testid="password">
          {isShown ? password : '••••••••••••••••'}
        </code>
        <Button
          small
          onClick={() => setShown(!isShown)}
          icon={isShown ? <EyeOff size={14} aria-hidden="true" /> : <Eye size={14} aria-hidden="true" />}
        >
          {t(isShown ? 'access.hide' : 'access.show')}
        </Button>
        <CopyButton text={password} label={t('access.copyPassword')} />
        <Button small onClick={() => forgetPassword(reservation.id)}>
          {t('access.forget')}
        </Button>
      </div>
    </div>
  );
}
