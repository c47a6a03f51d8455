import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { randomPassword } from '@/features/reservations/access';
import { AccessFields, WhatFields, WhenFields } from '@/features/reservations/BookingForm';
import { BookingSummary } from '@/features/reservations/BookingSummary';
import {
  countOf,
  draftOf,
  faultsOf as faultsIn,
  requestOf,
  type Draft,
  type Fault,
} from '@/features/reservations/booking';
import { book, useFree, useMyKeys, usePools } from '@/features/reservations/queries';
import { rememberPassword } from '@/features/reservations/secrets';
import { paths } from '@/lib/paths';
import { spanText } from '@/lib/span';
import { useNow } from '@/lib/time';
import { Page, Panel } from '@/ui/Page';
import { Failure, Loading, Refusal, sentence } from '@/ui/states';
import { useSubmit } from '@/ui/submit';

export default function NewReservationPage() {
  const { t, i18n } = useTranslation('reservations');
  const [query] = useSearchParams();
  const navigate = useNavigate();
  const [given, setDraft] = useState<Draft>(() => draftOf(query));
  const [touched, setTouched] = useState(false);
  const now = useNow();
  const pools = usePools();
  const keys = useMyKeys();
  const pool =
    pools.data?.find((one) => one.name === given.pool) ?? (given.pool ? undefined : pools.data?.[0]);
  const poolName = pool?.name ?? given.pool;
  const offer = useFree(poolName, {}, poolName !== '');
  const free = useFree(poolName, given.labels, poolName !== '');
  // Without a key there is nothing to choose: a password is made.
  const draft: Draft =
    given.access === 'keys' && keys.data?.length === 0 ? { ...given, access: 'made' } : given;
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const submission = useSubmit(async () => {
    // The server makes one only for people without a key.
    const made = draft.access === 'made' && keys.data?.length !== 0 ? randomPassword() : null;
    const reservation = await book(requestOf(draft, made));
    const password = reservation.password ?? made;
    if (password) rememberPassword(reservation.id, password);
    await navigate(paths.reservation(reservation.id));
  });
  if (!pools.data) {
    return (
      <Page title={t('form.title')}>
        {pools.error ? (
          <Failure error={pools.error} retry={() => void pools.refetch()} />
        ) : (
          <Panel>
            <Loading lines={6} />
          </Panel>
        )}
      </Page>
    );
  }
  const faults = faultsIn(draft, pool, now);
  const words = (fault: Fault | undefined) => {
    if (!fault) return undefined;
    const [key, values] = fault;
    const minutes = values?.minutes;
    return t(key, {
      ...values,
      ...(typeof minutes === 'number' ? { span: spanText(minutes, i18n.language) } : {}),
    });
  };
  const { at, rest } = submission.faults;
  const server = (pointer: string) => {
    const fault = at(pointer);
    return fault && sentence(fault);
  };
  // A number that is too large is said at once; an empty field only when somebody wanted to go on.
  const said = {
    count: words(faults.count) ?? server('/count'),
    duration: words(faults.duration) ?? server('/duration'),
    pool: words(faults.pool) ?? server('/pool'),
    labels: server('/labels'),
    key: (touched ? words(faults.key) : undefined) ?? server('/ssh_public_key'),
    password: (touched ? words(faults.password) : undefined) ?? server('/reservation_password'),
    startsAt: words(faults.startsAt) ?? server('/starts_at'),
  };
  const count = countOf(draft.count) ?? 0;
  const ready = free.data?.available.length ?? 0;
  const such = Object.values(free.data?.counts ?? {}).reduce((sum, one) => sum + one, 0);
  const short = !draft.later && !draft.wait && free.data !== undefined && ready < count;
  const first = Object.entries(faults).find(([name]) => touched || (name !== 'key' && name !== 'password'));
  const refused = first
    ? (words(first[1]) ?? null)
    : short
      ? t(
          such < count ? 'form.tooFewEver' : 'form.tooFew',
          such < count ? { count: such } : { count: ready, wanted: count },
        )
      : null;
  const ways = short
    ? [
        ...(ready > 0
          ? [{ text: t('form.takeFewer', { count: ready }), take: () => change({ count: String(ready) }) }]
          : []),
        ...(such >= count ? [{ text: t('form.takeLine'), take: () => change({ wait: true }) }] : []),
      ]
    : [];
  return (
    <Page
      title={t('form.title')}
      lead={t('form.lead')}
      above={<Link to={paths.reservations}>{t('title')}</Link>}
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTouched(true);
          if (Object.keys(faults).length === 0 && !refused) void submission.submit();
        }}
      >
        <div className="row g-4">
          <div className="col-lg-7 col-xl-8 d-grid gap-4 align-content-start">
            <WhatFields
              draft={draft}
              change={change}
              said={said}
              pools={pools.data}
              pool={pool}
              offer={offer.data}
            />
            <AccessFields draft={draft} change={change} said={said} keys={keys.data} />
            <WhenFields draft={draft} change={change} said={said} now={now} />
          </div>
          <div className="col-lg-5 col-xl-4">
            <div className="booking-aside">
              <Refusal error={rest()} />
              <BookingSummary
                draft={draft}
                pool={pool}
                free={free.data}
                request={requestOf(draft, null)}
                now={now}
                busy={submission.busy}
                refused={refused}
                offer={ways}
              />
            </div>
          </div>
        </div>
      </form>
    </Page>
  );
}
