import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

// Imports point up: a folder imports only from those before it in this list, and a feature only from those before it.
const floors = ['lib', 'ui', 'api', 'features', 'shell', 'routes'];
const features = [
  'accounts',
  'notifications',
  'audit',
  'machines',
  'provisioning',
  'reservations',
  'terminals',
  'dashboard',
];

function closed(files, below) {
  const message = 'Imports point up: see the list of floors in eslint.config.js.';
  const group = [...below.map((name) => `@/${name}/*`), '../../*'];
  return { files, rules: { 'no-restricted-imports': ['error', { patterns: [{ group, message }] }] } };
}

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'test-results', 'public', 'src/api/schema.d.ts'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js', 'scripts/*.mjs'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { ignoreRestSiblings: true, argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Only pages are default exports.' },
      ],
    },
  },
  { files: ['src/**/*.{ts,tsx}'], ...hooks.configs.flat.recommended },
  ...floors.map((name, place) => closed([`src/${name}/**`], floors.slice(place + 1))),
  ...features.map((name, place) =>
    closed(
      [`src/features/${name}/**`],
      ['shell', 'routes', ...features.slice(place + 1).map((below) => `features/${below}`)],
    ),
  ),
  {
    files: ['src/routes/**/*Page.tsx', 'src/locales/**/index.ts', '*.config.{ts,js}'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  { files: ['*.js', 'scripts/*.mjs'], ...tseslint.configs.disableTypeChecked },
);
