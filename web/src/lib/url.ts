import { useSearchParams } from 'react-router';

/** One filter that lives in the address; setting it makes no step in the history, and an empty one is left out. */
export function useUrlText(name: string): [string, (value: string) => void] {
  const [query, setQuery] = useSearchParams();
  const set = (value: string) =>
    setQuery(
      (before) => {
        const after = new URLSearchParams(before);
        if (value) after.set(name, value);
        else after.delete(name);
        return after;
      },
      { replace: true },
    );
  return [query.get(name) ?? '', set];
}
