import '@xterm/xterm/css/xterm.css';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal as Xterm, type ITheme } from '@xterm/xterm';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { isDark, preferences } from '@/lib/preferences';
import { styleBySheets } from '@/lib/styles';
import { Button } from '@/ui/Button';
import { Refusal, sentence } from '@/ui/states';
import { Connection, type Phase } from './connection';

const LIGHT: ITheme = {
  background: '#ffffff',
  foreground: '#1c242c',
  cursor: '#0b6b7f',
  selectionBackground: '#bfdfe6',
  black: '#1c242c',
  red: '#b3261e',
  green: '#1b7f4b',
  yellow: '#8a5a00',
  blue: '#2563a8',
  magenta: '#7446b0',
  cyan: '#0b6b7f',
  white: '#5b6673',
  brightBlack: '#5b6673',
  brightWhite: '#2a323b',
};
const DARK: ITheme = {
  background: '#0b0f13',
  foreground: '#dfe5eb',
  cursor: '#6cc7d8',
  selectionBackground: '#234b56',
  brightBlack: '#8a95a1',
};

/** A terminal on one machine of a reservation. */
export function Terminal({ reservation, machine }: { reservation: string; machine: string }) {
  const { t } = useTranslation('terminals');
  const box = useRef<HTMLDivElement>(null);
  const leave = useRef<HTMLDivElement>(null);
  const [phase, setPhase] = useState<Phase>({ at: 'connecting' });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const place = box.current;
    if (!place) return;
    const release = styleBySheets();
    const term = new Xterm({
      theme: isDark() ? DARK : LIGHT,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--bs-font-monospace'),
      fontSize: 14,
      scrollback: 10_000,
      cursorBlink: true,
      minimumContrastRatio: 4.5,
      // A link that a machine prints is text: it may say one address and lead to another.
      linkHandler: { activate: () => undefined },
    });
    const fit = new FitAddon();
    term.loadAddon(fit);
    term.open(place);
    fit.fit();
    // The terminal takes every key; this one leads out.
    term.attachCustomKeyEventHandler((event) => {
      if (event.key !== 'F6') return true;
      leave.current?.focus();
      return false;
    });
    const connection = new Connection(reservation, machine, {
      write: (bytes, done) => term.write(bytes, done),
      reset: () => term.reset(),
      size: () => ({ cols: term.cols, rows: term.rows }),
      phase: (next) => {
        setPhase(next);
        term.options.disableStdin = next.at !== 'open';
        if (next.at === 'open') term.focus();
      },
    });
    term.onData((text) => connection.send(text));
    term.onBinary((text) => connection.sendBinary(text));
    term.onResize(() => connection.resize());
    let frame = 0;
    const watch = new ResizeObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => fit.fit());
    });
    watch.observe(place);
    const repaint = preferences.watch(() => (term.options.theme = isDark() ? DARK : LIGHT));
    void connection.open();
    return () => {
      cancelAnimationFrame(frame);
      watch.disconnect();
      repaint();
      connection.close();
      term.dispose();
      release();
    };
  }, [reservation, machine, attempt]);
  const again = () => {
    setPhase({ at: 'connecting' });
    setAttempt((n) => n + 1);
  };
  return (
    <div className="terminal">
      <div className="terminal-note" tabIndex={-1} ref={leave} role="status">
        <Note phase={phase} again={again} />
        {phase.at === 'open' && <span className="small text-body-secondary">{t('leave')}</span>}
      </div>
      <div className="terminal-screen" ref={box} role="group" aria-label={t('screen', { machine })} />
    </div>
  );
}

/** Ends after which another terminal may be opened. */
const MAY_RETURN = ['exited', 'lost', 'unreachable', 'replaced', ''];

function Note({ phase, again }: { phase: Phase; again: () => void }) {
  const { t } = useTranslation('terminals');
  if (phase.at === 'connecting') return <span>{t('connecting')}</span>;
  if (phase.at === 'open') return <span className="tone tone-good">{t('open')}</span>;
  if (phase.at === 'away') return <span className="tone tone-busy is-moving">{t('away')}</span>;
  const mayReturn = phase.at === 'refused' || MAY_RETURN.includes(phase.closed.code);
  return (
    <div className="d-flex flex-wrap gap-3 align-items-center flex-grow-1">
      {phase.at === 'refused' ? (
        <div className="flex-grow-1">
          <Refusal error={phase.problem} />
        </div>
      ) : (
        <span className="tone tone-off">
          {phase.closed.reason ? sentence(phase.closed.reason) : t('lost')}
        </span>
      )}
      {mayReturn && (
        <Button small onClick={again}>
          {t('again')}
        </Button>
      )}
    </div>
  );
}
