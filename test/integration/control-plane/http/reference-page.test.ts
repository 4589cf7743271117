import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startChromium } from '../../../support/chromium.ts';
import {
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';

let controlPlane: TestControlPlane;
let browser: Awaited<ReturnType<typeof startChromium>>;
let page: Page;
const elsewhere: string[] = [];
const problems: string[] = [];
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  browser = await startChromium();
  page = await browser.context.newPage();
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(controlPlane.url))
      elsewhere.push(request.url());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    const icon = message.location().url.endsWith('/favicon.ico'); // every browser asks for one
    if (message.type() === 'error' && !icon) problems.push(message.text());
  });
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await controlPlane?.close();
});

it('opens in Chromium, loads nothing from other hosts, and sends a call to the server', async () => {
  const owner = await newOrganization(controlPlane.primary.pool);
  await page.goto(`${controlPlane.url}/docs`);
  await page.getByRole('heading', { name: 'regional-iam control plane' }).waitFor();
  await page.getByRole('button', { name: /Test Request.*get \/api\/v1\/users\/auth\/keys\)/s }).click();

  const client = page.getByRole('dialog').first();
  await client.locator('.scalar-password-input').fill(owner.authorization);
  const answered = page.waitForResponse((response) => response.url().includes('/api/v1/users/auth/keys'));
  await client.getByRole('button', { name: /^Send/ }).first().click();
  expect((await answered).status()).toBe(200);
  await client.getByText(owner.id).first().waitFor();

  await expect.poll(() => page.locator('body').innerText()).toMatch(/Authorization: ApiKey /);
  expect(await page.locator('body').innerText()).toContain('Authorization: ApiKey <credential>');
  expect(elsewhere).toEqual([]);
  expect(problems).toEqual([]);
}, 60_000);

it('is where the root of the server leads to', async () => {
  const response = await fetch(`${controlPlane.url}/`);
  expect([response.url, response.status]).toEqual([`${controlPlane.url}/docs/`, 200]);
});

it('allows only scripts of the server itself, by a nonce of each response', async () => {
  const nonces = await Promise.all(
    [1, 2].map(async () => {
      const response = await fetch(`${controlPlane.url}/docs/`);
      const policy = response.headers.get('content-security-policy') ?? '';
      const [, nonce = ''] = /script-src 'self' 'nonce-([^']{24})'/.exec(policy) ?? [];
      expect(policy).not.toMatch(/script-src[^;]*unsafe/);
      const scripts = (await response.text()).match(/<script[^>]*>/g) ?? [];
      expect(scripts.length).toBeGreaterThan(0);
      for (const script of scripts) expect(script).toContain(`nonce="${nonce}"`);
      return nonce;
    }),
  );
  expect(new Set(nonces).size).toBe(2);
});

it('forbids framing and every other origin', async () => {
  const response = await fetch(`${controlPlane.url}/docs/`);
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(response.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
});
