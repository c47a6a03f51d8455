// The real thing: demo machines, `berth serve` and `berth-scheduler` with a data folder of their own.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const bin = process.env.BERTH_E2E_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug');

export const ADMIN = { username: 'admin', password: 'harbour-master-1' };
const MACHINE_PASSWORD = 'harbour-light';

async function freePorts(count: number): Promise<number> {
  const free = (port: number) =>
    new Promise<boolean>((done) => {
      const server = createServer();
      server.once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
  // Below what the kernel gives to those who ask for any port.
  for (let first = 24_000 + (process.pid % 40) * 100; first < 32_000; first += 100) {
    const all = await Promise.all(Array.from({ length: count }, (_, i) => free(first + i)));
    if (all.every(Boolean)) return first;
  }
  throw new Error('no free ports between 24000 and 32000');
}

export interface MachinePlace {
  name: string;
  port: number;
}

export class Berth {
  readonly machines: MachinePlace[];
  private readonly children = new Map<string, ChildProcess>();
  private readonly extra: Record<string, string> = {};

  private constructor(
    readonly dir: string,
    readonly port: number,
    count: number,
    firstMachinePort: number,
  ) {
    this.machines = Array.from({ length: count }, (_, i) => ({
      name: `quay-${String(i + 1).padStart(2, '0')}`,
      port: firstMachinePort + i,
    }));
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** A server whose machines are never contacted: for very many of them. */
  static async startWithoutMachines(): Promise<Berth> {
    const dir = join(root, '.local', 'e2e-many');
    const berth = new Berth(dir, await freePorts(1), 0, 0);
    berth.extra.BERTH_REMOTE = 'fake';
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true });
    await berth.serve();
    return berth;
  }

  /** Starts everything; nothing of an earlier run is kept. */
  static async start(machines: number): Promise<Berth> {
    if (!existsSync(join(bin, 'berth')))
      throw new Error(`${bin}/berth is not built: run \`cargo build\` first`);
    const dir = join(root, '.local', 'e2e');
    const first = await freePorts(machines + 1);
    const berth = new Berth(dir, first + machines, machines, first);
    await berth.removeMachines();
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true });
    await berth.playbook('provision.yml', { count: machines, first_port: first, password: MACHINE_PASSWORD });
    await berth.serve();
    berth.launch('scheduler', ['berth-scheduler']);
    return berth;
  }

  private env(): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      BERTH_ENV: 'development',
      BERTH_LISTEN: `127.0.0.1:${this.port}`,
      BERTH_METRICS_LISTEN: '',
      BERTH_DATA_DIR: this.dir,
      BERTH_DEMO_DIR: join(this.dir, 'demo'),
      BERTH_REGISTRATION: 'open',
      BERTH_SCHEDULE_REMIND: '* * * * * *',
      ADMIN_DEFAULT_PASSWORD: ADMIN.password,
      ...this.extra,
    };
  }

  private launch(name: string, [program, ...args]: [string, ...string[]]) {
    const log = createWriteStream(join(this.dir, `${name}.log`), { flags: 'a' });
    const child = spawn(join(bin, program), args, { env: this.env(), stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    this.children.set(name, child);
  }

  /** Starts the server and waits until it answers. */
  async serve() {
    this.launch('server', ['berth', 'serve']);
    const until = Date.now() + 60_000;
    for (;;) {
      if (
        await fetch(`${this.url}/api/readyz`)
          .then((answer) => answer.status < 600)
          .catch(() => false)
      )
        return;
      if (this.children.get('server')?.exitCode !== null || until < Date.now()) {
        throw new Error(`the server did not start:\n${await this.log('server')}`);
      }
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  /** Ends the server at once, as a crash would. */
  async killServer() {
    await this.end('server', 'SIGKILL');
  }

  private async end(name: string, signal: NodeJS.Signals) {
    const child = this.children.get(name);
    this.children.delete(name);
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    await ended;
  }

  log(name: string): Promise<string> {
    return readFile(join(this.dir, `${name}.log`), 'utf8');
  }

  /** The inventory of the demo machines, as an admin would paste it. */
  inventory(machines = this.machines): string {
    const entries = machines.map(
      ({ name, port }) =>
        `  - name: ${name}\n    host: 127.0.0.1\n    port: ${port}\n    user: root\n    password: ${MACHINE_PASSWORD}\n    labels: {zone: ${name.endsWith('1') ? 'north' : 'south'}}\n`,
    );
    return `machines:\n${entries.join('')}`;
  }

  /** One request as somebody. */
  async call<T>(
    who: { username: string; password: string },
    method: string,
    path: string,
    body?: unknown,
  ): Promise<T> {
    const sent = await fetch(`${this.url}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(who),
    });
    const { access_token } = (await sent.json()) as { access_token: string };
    const isText = typeof body === 'string';
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${access_token}`,
        ...(body === undefined ? {} : { 'content-type': isText ? 'application/yaml' : 'application/json' }),
      },
      body: body === undefined ? undefined : isText ? body : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** Registers all demo machines and waits until they are in the pool. */
  async register() {
    await this.call(ADMIN, 'POST', '/api/machines/import?wait=60', this.inventory());
  }

  /** Runs a command on a machine as root, from outside of Berth. */
  async onMachine(machine: MachinePlace, command: string): Promise<string> {
    const key = join(this.dir, 'ssh', 'id_ed25519');
    const args = ['-p', String(machine.port), '-i', key, '-o', 'StrictHostKeyChecking=no'];
    args.push('-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', 'root@127.0.0.1', command);
    return (await run('ssh', args, { timeout: 20_000 })).stdout;
  }

  private async playbook(name: string, vars: Record<string, string | number> = {}) {
    const extra = Object.entries(vars).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
    await run(join(bin, 'berth'), ['playbook', 'run', join(root, 'playbooks', name), ...extra], {
      env: this.env(),
      timeout: 120_000,
    });
  }

  private async removeMachines() {
    if (existsSync(join(this.dir, 'demo'))) await this.playbook('unprovision.yml');
  }

  /** Ends everything and removes the machines. */
  async stop() {
    await Promise.all([this.end('server', 'SIGTERM'), this.end('scheduler', 'SIGTERM')]);
    await this.removeMachines();
  }

  /** A file for the file chooser. */
  async file(name: string, content: string): Promise<string> {
    const path = join(this.dir, name);
    await writeFile(path, content);
    return path;
  }
}
