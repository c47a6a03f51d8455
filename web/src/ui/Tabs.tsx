import { useEffect, useRef } from 'react';
import { Link, useSearchParams } from 'react-router';

interface Tab {
  key: string;
  text: string;
  count?: number | undefined;
}

/** The tab that the address names, or the first. */
export function useTab(tabs: Tab[], name = 'tab'): string {
  const [query] = useSearchParams();
  const asked = query.get(name);
  return tabs.find((tab) => tab.key === asked)?.key ?? tabs[0]?.key ?? '';
}

/** Parts of a page, of which the address names one; the first needs no naming. */
export function Tabs({ tabs, label, name = 'tab' }: { tabs: Tab[]; label: string; name?: string }) {
  const [query] = useSearchParams();
  const current = useTab(tabs, name);
  const first = tabs[0]?.key;
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone not all fit; the one that counts is in sight.
    const here = box.current?.querySelector<HTMLElement>('[aria-current]');
    if (here) box.current?.scrollTo({ left: here.offsetLeft - 48 });
  }, [current]);
  return (
    <nav ref={box} aria-label={label} className="tabs mb-4">
      <ul className="nav nav-underline">
        {tabs.map((tab) => {
          const to = new URLSearchParams(query);
          if (tab.key === first) to.delete(name);
          else to.set(name, tab.key);
          return (
            <li key={tab.key} className="nav-item">
              <Link
                to={{ search: to.toString() }}
                className={`nav-link ${tab.key === current ? 'active' : ''}`}
                aria-current={tab.key === current ? 'page' : undefined}
              >
                {tab.text}
                {tab.count !== undefined && <span className="tag numbers ms-2">{tab.count}</span>}
              </Link>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
