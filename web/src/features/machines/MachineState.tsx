import { useTranslation } from 'react-i18next';
import type { State } from '@/api/schema';
import { Tone } from '@/ui/Tone';
import { LOOKS } from './state';

/** A machine's state in its colour. */
export function MachineState({ state }: { state: State }) {
  const { t } = useTranslation('machines');
  const { tone, moving } = LOOKS[state];
  return (
    <Tone tone={tone} moving={moving}>
      {t(`states.${state}`)}
    </Tone>
  );
}
