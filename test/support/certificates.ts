import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A certificate and its key, PEM. */
export interface Certificate {
  cert: string;
  key: string;
}

/** A certificate authority for one test file. Its files are in a temporary directory until `remove`. */
export class CertificateAuthority {
  readonly directory: string;
  #serial = 0;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<CertificateAuthority> {
    const authority = new CertificateAuthority(await mkdtemp(join(tmpdir(), 'regional-iam-tls-')));
    await authority.#openssl(
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=test-authority -keyout ca.key -out ca.crt',
    );
    return authority;
  }

  get certFile(): string {
    return join(this.directory, 'ca.crt');
  }

  /**
   * Issues a certificate that is valid for servers and clients.
   * @param options.names its subjectAltName, one item per line of an openssl section; by default `name` and this machine
   */
  async issue(
    name: string,
    options: { expired?: boolean; names?: string[] } = {},
  ): Promise<Certificate & { files: Certificate }> {
    this.#serial += 1;
    const validity = options.expired ? '-days -1' : '-days 1';
    const names = options.names ?? [`DNS.1=${name}`, 'DNS.2=localhost', 'IP=127.0.0.1'];
    await writeFile(
      join(this.directory, `${name}.ext`),
      `subjectAltName=@names\n[names]\n${names.join('\n')}\n`,
    );
    await this.#openssl(
      `req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`,
    );
    await this.#openssl(
      `x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -set_serial ${this.#serial} -extfile ${name}.ext -out ${name}.crt ${validity}`,
    );
    const files = { cert: join(this.directory, `${name}.crt`), key: join(this.directory, `${name}.key`) };
    return { files, cert: await readFile(files.cert, 'utf8'), key: await readFile(files.key, 'utf8') };
  }

  get crlFile(): string {
    return join(this.directory, 'ca.crl');
  }

  /** Revokes certificates and writes the revocation list. @param certificates files of issued certificates */
  async revoke(...certificates: string[]): Promise<void> {
    for (const certificate of certificates) await this.#ca(`-revoke ${certificate}`);
    await this.#ca('-gencrl -out ca.crl');
  }

  /** Writes a revocation list with other times. @param thisUpdate as YYYYMMDDHHMMSSZ @param nextUpdate likewise */
  async writeList(thisUpdate: string, nextUpdate: string): Promise<void> {
    await this.#ca(`-gencrl -crl_lastupdate ${thisUpdate} -crl_nextupdate ${nextUpdate} -out ca.crl`);
  }

  async #ca(command: string): Promise<void> {
    await writeFile(join(this.directory, 'index.txt'), '', { flag: 'a' });
    await writeFile(
      join(this.directory, 'ca.cnf'),
      '[ca]\ndefault_ca=this\n[this]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=1\n',
    );
    await this.#openssl(`ca -config ca.cnf -keyfile ca.key -cert ca.crt ${command}`);
  }

  remove(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true });
  }

  async #openssl(command: string): Promise<void> {
    try {
      await run('openssl', command.split(' '), { cwd: this.directory });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new Error('Tests of client certificates need openssl on the PATH: apt-get install openssl', {
        cause: error,
      });
    }
  }
}
