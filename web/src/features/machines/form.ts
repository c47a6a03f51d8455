import type { CreateMachine, MachineView, UpdateMachine } from '@/api/schema';

// What the form of a machine holds, and what of it is sent: `src/machines/views.rs`.

export interface LabelRow {
  id: number;
  name: string;
  value: string;
}

export interface MachineForm {
  name: string;
  host: string;
  port: string;
  user: string;
  pool: string;
  labels: LabelRow[];
  /** `keep` and `forget` only for machines that are registered. */
  passwordHow: 'keep' | 'set' | 'forget';
  password: string;
  keyFile: string;
  hostKeyHow: 'keep' | 'set' | 'learn';
  hostKey: string;
  jump: string;
}

let lastRow = 0;

export function labelRow(name = '', value = ''): LabelRow {
  lastRow += 1;
  return { id: lastRow, name, value };
}

export function emptyForm(): MachineForm {
  return {
    name: '',
    host: '',
    port: '22',
    user: 'root',
    pool: '',
    labels: [],
    passwordHow: 'set',
    password: '',
    keyFile: '',
    hostKeyHow: 'set',
    hostKey: '',
    jump: '',
  };
}

export function formOf(machine: MachineView): MachineForm {
  return {
    name: machine.name,
    host: machine.host ?? '',
    port: String(machine.port ?? 22),
    user: machine.user ?? '',
    pool: machine.pool,
    labels: Object.entries(machine.labels).map(([name, value]) => labelRow(name, value)),
    passwordHow: 'keep',
    password: '',
    keyFile: machine.key_file ?? '',
    hostKeyHow: 'keep',
    hostKey: '',
    jump: machine.jump ?? '',
  };
}

/** A name that stands there twice: one of the two would be lost without a word. */
export function labelTwice(rows: LabelRow[]): string | null {
  const names = rows.map(({ name }) => name.trim()).filter(Boolean);
  return names.find((name, i) => names.indexOf(name) !== i) ?? null;
}

function labelsOf(rows: LabelRow[]): Record<string, string> {
  const named = rows.filter(({ name, value }) => name.trim() || value.trim());
  return Object.fromEntries(named.map(({ name, value }) => [name.trim(), value.trim()]));
}

/** What is no number is sent as a port that the server refuses, at the field. */
function portOf(text: string): number {
  return /^\d{1,6}$/.test(text.trim()) ? Number(text) : 0;
}

function keysOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

export function createOf(form: MachineForm): CreateMachine {
  const keys = keysOf(form.hostKey);
  return {
    name: form.name.trim(),
    host: form.host.trim(),
    port: portOf(form.port),
    user: form.user.trim(),
    labels: labelsOf(form.labels),
    ...(form.password ? { password: form.password } : {}),
    ...(form.keyFile.trim() ? { key_file: form.keyFile.trim() } : {}),
    ...(form.pool.trim() ? { pool: form.pool.trim() } : {}),
    ...(keys.length > 0 ? { host_key: keys } : {}),
    ...(form.jump.trim() ? { jump: form.jump.trim() } : {}),
  };
}

/** Only what differs from the machine as it is: what is left out stays, and null takes away. */
export function updateOf(form: MachineForm, machine: MachineView): Partial<UpdateMachine> {
  const change: Partial<UpdateMachine> = {};
  const labels = labelsOf(form.labels);
  if (form.host.trim() !== (machine.host ?? '')) change.host = form.host.trim();
  if (portOf(form.port) !== (machine.port ?? 22)) change.port = portOf(form.port);
  if (form.user.trim() !== (machine.user ?? '')) change.user = form.user.trim();
  if (form.pool.trim() && form.pool.trim() !== machine.pool) change.pool = form.pool.trim();
  if (!sameLabels(labels, machine.labels)) change.labels = labels;
  if (form.keyFile.trim() !== (machine.key_file ?? '')) change.key_file = form.keyFile.trim() || null;
  if (form.jump.trim() !== (machine.jump ?? '')) change.jump = form.jump.trim() || null;
  if (form.passwordHow === 'set') change.password = form.password;
  if (form.passwordHow === 'forget') change.password = null;
  if (form.hostKeyHow === 'set') change.host_key = keysOf(form.hostKey);
  if (form.hostKeyHow === 'learn') change.host_key = null;
  return change;
}

function sameLabels(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
