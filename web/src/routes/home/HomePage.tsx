import { useTranslation } from 'react-i18next';
import { Page } from '@/ui/Page';

export default function HomePage() {
  const { t } = useTranslation('shell');
  return <Page title={t('home')}>{null}</Page>;
}
