import type { OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { request as httpRequest } from '../http/node-http.ts';
import type { RegionControlPlane } from './control-plane.ts';

export interface ControlPlaneCall {
  method: 'HEAD' | 'POST';
  path: string;
  headers?: OutgoingHttpHeaders;
  body?: string;
  timeoutMs: number;
}

/** Calls the control plane for the region itself. @returns the status @throws {Error} if it does not respond in time */
export async function callControlPlane(
  { url, authorities }: RegionControlPlane,
  { method, path, headers, body, timeoutMs }: ControlPlaneCall,
): Promise<number> {
  const target = new URL(path, url);
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
  return await new Promise((resolve, reject) => {
    const request = send(
      target,
      {
        method,
        headers: { ...headers },
        signal: AbortSignal.timeout(timeoutMs),
        ...(authorities && { ca: authorities }),
      },
      (response) => {
        response.resume();
        response.on('error', reject);
        response.on('end', () => resolve(response.statusCode as number));
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Whether the control plane sends neither a response nor an error for this long. Any response counts, also a refusal. */
export async function isSilentFor(controlPlane: RegionControlPlane, timeoutMs: number): Promise<boolean> {
  const failure = await callControlPlane(controlPlane, { method: 'HEAD', path: '/', timeoutMs }).then(
    () => undefined,
    (error: unknown) => error,
  );
  return failure instanceof Error && failure.name === 'AbortError';
}
