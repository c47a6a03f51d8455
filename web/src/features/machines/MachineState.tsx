import { useTranslation } from 'react-i18next';
import type { State } from '@/api/schema';
import { Tone } from '@/ui/Tone';
import { LOOKS } from './state';

/** A machine's state in its colour; `still` where it is one of the past. */
export function MachineState({ state, still = false }: { state: State; still?: boolean }) {
  const { t } = useTranslation('machines');
  const { tone, moving } = LOOKS[state];
  return (
    <Tone tone={tone} moving={moving && !still}>
      {t(`states.${state}`)}
    </Tone>
  );
}
