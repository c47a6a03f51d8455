import i18next, { type ResourceLanguage } from 'i18next';
import { useSyncExternalStore } from 'react';
import { initReactI18next } from 'react-i18next';
import { preferences } from './preferences';

type Texts = Record<string, ResourceLanguage[string]>;

const english = import.meta.glob<ResourceLanguage[string]>('../locales/en/*.json', {
  eager: true,
  import: 'default',
});
const others: Record<string, () => Promise<Texts>> = {
  fr: async () => {
    const { default: texts } = await import('../locales/fr/index');
    return texts;
  },
};

export const languages = [
  { tag: 'en', name: 'English' },
  { tag: 'fr', name: 'Français' },
] as const;

function byName(files: Texts): Texts {
  return Object.fromEntries(
    Object.entries(files).map(([file, texts]) => [/([^/]+)\.json$/.exec(file)?.[1] ?? file, texts]),
  );
}

function wanted(): string {
  const tags = [preferences.get().language, ...navigator.languages];
  for (const tag of tags) {
    const short = tag?.split('-')[0];
    const known = languages.find((language) => language.tag === short);
    if (known) return known.tag;
  }
  return 'en';
}

async function speak(language: string) {
  const load = others[language];
  if (load && !i18next.hasResourceBundle(language, 'common')) {
    for (const [name, texts] of Object.entries(byName(await load()))) {
      i18next.addResourceBundle(language, name, texts);
    }
  }
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}

/** Makes the texts ready, in the person's language. */
export async function startI18n() {
  await i18next.use(initReactI18next).init({
    lng: 'en',
    fallbackLng: 'en',
    defaultNS: 'common',
    resources: { en: byName(english) },
    // React escapes what it draws.
    interpolation: { escapeValue: false },
    returnNull: false,
  });
  const follow = () => speak(wanted()).catch(() => undefined);
  await follow();
  preferences.watch(() => void follow());
}

function watchLanguage(listener: () => void) {
  i18next.on('languageChanged', listener);
  return () => i18next.off('languageChanged', listener);
}

/** The page's language, for what is drawn hundreds of times: `useTranslation` costs more than a row of a table. */
export function useLanguage(): string {
  return useSyncExternalStore(watchLanguage, () => i18next.language);
}
