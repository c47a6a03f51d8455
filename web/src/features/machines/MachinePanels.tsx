import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { useMe } from '@/api/session';
import type { MachineView } from '@/api/schema';
import { paths } from '@/lib/paths';
import { CopyButton } from '@/ui/CopyButton';
import { Countdown, Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { sentence } from '@/ui/states';
import { Labels } from '@/ui/Tone';
import { HostKeyNotice } from './MachineActions';
import { MachineState } from './MachineState';
import { addressOf } from './MachinesTable';

/** Where the machine is in its life, and why nobody can have it if that is so. */
export function StatePanel({ machine }: { machine: MachineView }) {
  const { t } = useTranslation('machines');
  const { isAdmin } = useMe();
  const { reason, last_error: lastError, holder, next_try_at: nextTry } = machine;
  return (
    <Panel title={t('now')}>
      {isAdmin && <HostKeyNotice machine={machine} />}
      <p className="mb-3">
        <MachineState state={machine.state} />
        <span className="text-body-secondary"> · </span>
        {t(`why.${machine.state}`)}
        {machine.then_state && ` ${t('then', { state: t(`states.${machine.then_state}`) })}`}
      </p>
      <dl className="facts">
        <dt>{t('since')}</dt>
        <dd>
          <Moment at={machine.state_since} />
        </dd>
        {reason && (
          <>
            <dt>{t('reason')}</dt>
            <dd>{sentence(reason)}</dd>
          </>
        )}
        {lastError && lastError !== reason && (
          <>
            <dt>{t('lastError')}</dt>
            <dd>{sentence(lastError)}</dd>
          </>
        )}
        {machine.attempts > 0 && (
          <>
            <dt>{t('attempts')}</dt>
            <dd className="numbers">{machine.attempts}</dd>
          </>
        )}
        {nextTry && (
          <>
            <dt>{t('nextTry')}</dt>
            <dd>
              <Moment at={nextTry} as="absolute" />
              <span className="text-body-secondary">
                {' · '}
                <Countdown until={nextTry} ended={t('nextTryDue')} />
              </span>
            </dd>
          </>
        )}
        {holder && (
          <>
            <dt>{t('holder')}</dt>
            <dd>
              {holder.username}
              {' · '}
              <Link to={paths.reservation(holder.reservation_id)}>{t('reservation')}</Link>
            </dd>
            <dt>{t('timeLeft')}</dt>
            <dd>
              <Countdown until={holder.until} ended={t('ended')} />{' '}
              <span className="text-body-secondary">
                (<Moment at={holder.until} as="absolute" />)
              </span>
            </dd>
          </>
        )}
        <dt>{t('lastCheck')}</dt>
        <dd>{machine.last_check_at ? <Moment at={machine.last_check_at} /> : t('never')}</dd>
        <dt>{t('pool')}</dt>
        <dd>{machine.pool}</dd>
        <dt>{t('labels')}</dt>
        <dd>
          <Labels labels={machine.labels} />
        </dd>
      </dl>
    </Panel>
  );
}

/** How Berth reaches the machine; the server shows most of it to admins only. */
export function ReachPanel({ machine }: { machine: MachineView }) {
  const { t } = useTranslation('machines');
  const { isAdmin } = useMe();
  const { host, user, jump, key_file: keyFile, host_key_fingerprint: fingerprint } = machine;
  return (
    <Panel title={t('reach')}>
      <dl className="facts">
        {host && (
          <>
            <dt>{t('host')}</dt>
            <dd>
              <code className="text-body">{addressOf(machine)}</code>
            </dd>
          </>
        )}
        {user && (
          <>
            <dt>{t('login')}</dt>
            <dd>
              <code className="text-body">{user}</code>
            </dd>
          </>
        )}
        {jump && (
          <>
            <dt>{t('jump')}</dt>
            <dd>
              <code className="text-body">{jump}</code>
            </dd>
          </>
        )}
        {isAdmin && (
          <>
            <dt>{t('keyFile')}</dt>
            <dd>{keyFile ? <code className="text-body">{keyFile}</code> : t('ownKey')}</dd>
          </>
        )}
        <dt>{t('fingerprint')}</dt>
        <dd>
          {fingerprint ? (
            <span className="d-flex gap-2 align-items-start">
              <code className="text-body text-break" style={{ minWidth: 0 }}>
                {fingerprint}
              </code>
              <CopyButton text={fingerprint} />
            </span>
          ) : (
            t('notPinned')
          )}
        </dd>
        <dt>{t('registeredAt')}</dt>
        <dd>
          <Moment at={machine.created_at} as="absolute" />
        </dd>
      </dl>
    </Panel>
  );
}

/** What the machine says about itself. */
export function FactsPanel({ machine }: { machine: MachineView }) {
  const { t, i18n } = useTranslation('machines');
  const { facts } = machine;
  if (!facts) {
    return (
      <Panel title={t('facts')}>
        <p className="text-body-secondary mb-0">{t('noFacts')}</p>
      </Panel>
    );
  }
  return (
    <Panel title={t('facts')}>
      <dl className="facts">
        <dt>{t('os')}</dt>
        <dd>{facts.os}</dd>
        <dt>{t('kernel')}</dt>
        <dd>{facts.kernel}</dd>
        <dt>{t('arch')}</dt>
        <dd>{facts.arch}</dd>
        <dt>{t('cpus')}</dt>
        <dd className="numbers">{facts.cpus}</dd>
        <dt>{t('memory')}</dt>
        <dd className="numbers">{bytesText(facts.memory_bytes, i18n.language)}</dd>
      </dl>
    </Panel>
  );
}

/** `15.6 GiB`. */
export function bytesText(bytes: number, locale: string): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 1024 ** step;
  return `${value.toLocaleString(locale, { maximumFractionDigits: value < 100 ? 1 : 0 })} ${units[step] ?? ''}`;
}
