const part = encodeURIComponent;

/** Every link of the page. */
export const paths = {
  home: '/',
  login: '/login',
  register: '/register',
  password: '/password',
  machines: '/machines',
  importMachines: '/machines/import',
  newMachine: '/machines/new',
  machine: (name: string) => `/machines/${part(name)}`,
  editMachine: (name: string) => `/machines/${part(name)}/edit`,
  available: '/available',
  reservations: '/reservations',
  newReservation: '/reservations/new',
  reserve: (labels: string[]) =>
    `/reservations/new${labels.length > 0 ? `?${new URLSearchParams(labels.map((label) => ['label', label]))}` : ''}`,
  reservation: (id: string) => `/reservations/${part(id)}`,
  terminal: (id: string, machine: string) => `/reservations/${part(id)}/terminal/${part(machine)}`,
  runs: '/runs',
  run: (id: string) => `/runs/${part(id)}`,
  users: '/users',
  user: (name: string) => `/users?user=${part(name)}`,
  audit: '/audit',
  settings: '/settings',
  settingsOf: (tab: string) => `/settings?tab=${part(tab)}`,
  notifications: '/notifications',
};
