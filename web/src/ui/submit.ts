import { useState } from 'react';
import type { Fault } from './states';

/** A form's way to the server: busy while it is under way, and what it answered when that is no. */
export function useSubmit(act: () => Promise<unknown>) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Fault | null>(null);
  const submit = async (event?: { preventDefault: () => void }): Promise<boolean> => {
    event?.preventDefault();
    if (busy) return false;
    setBusy(true);
    setError(null);
    try {
      await act();
      return true;
    } catch (refusal) {
      setError(refusal as Fault);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, submit, faults: faultsOf(error) };
}

/** What is wrong, field by field, and what is left to say above the form. */
export interface Faults {
  /** What is wrong with one field, by its JSON pointer. */
  at: (pointer: string) => string | undefined;
  /** The refusal, unless every fault of it was asked for by its field. */
  rest: () => Fault | null;
}

export function faultsOf(error: Fault | null): Faults {
  const asked = new Set<string>();
  const errors = error?.errors ?? [];
  return {
    at: (pointer) => {
      asked.add(pointer);
      const found = errors.find((fault) => fault.pointer === pointer)?.detail;
      return found;
    },
    rest: () =>
      errors.length > 0 && errors.every((fault) => fault.pointer && asked.has(fault.pointer)) ? null : error,
  };
}

/** After a refusal: to the first field that is wrong, once it is drawn as such. */
export function focusFault(form: HTMLElement) {
  requestAnimationFrame(() => form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
}
