import type { ResourceLanguage } from 'i18next';

const texts = import.meta.glob<ResourceLanguage[string]>('./*.json', { eager: true, import: 'default' });

export default texts;
