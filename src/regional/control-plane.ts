import type { Config } from '../config.ts';
import { readAuthorities } from '../setting-file.ts';

/** The control plane of a region, to which it forwards calls and from which it requests repairs. */
export interface RegionControlPlane {
  /** Base URL, such as `http://control-plane:8081`. */
  url: string;
  /** PEM certificate authorities of an `https://` control plane; `undefined` for those of Node.js. */
  authorities: Buffer | undefined;
  /** Proves that a call comes from a region; `undefined` without FORWARDING_SECRETS. It changes with its file. */
  secret: () => string | undefined;
}

/** @returns `undefined` if the region has none @throws {ConfigError} */
export function controlPlaneOf(
  { CONTROL_PLANE_URL: url, CONTROL_PLANE_CA_FILE: file }: Config,
  secret: () => string | undefined,
): RegionControlPlane | undefined {
  if (url === undefined) return undefined;
  return {
    url,
    authorities: file === undefined ? undefined : readAuthorities('CONTROL_PLANE_CA_FILE', file),
    secret,
  };
}
