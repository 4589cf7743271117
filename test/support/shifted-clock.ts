/** Loaded by `node --import` before a program: shifts its clock by the milliseconds in a file, which may change. */
import { readFileSync } from 'node:fs';

const REREAD_INTERVAL_MS = 10;

const file = process.env.SHIFTED_CLOCK_FILE ?? '';
const read = () => Number(readFileSync(file, 'utf8'));
const realNow = Date.now;
let offsetMs = read();
setInterval(() => {
  offsetMs = read();
}, REREAD_INTERVAL_MS).unref();

Date.now = () => realNow() + offsetMs;
globalThis.Date = new Proxy(Date, {
  construct: (RealDate, values, target) =>
    Reflect.construct(RealDate, values.length === 0 ? [RealDate.now()] : values, target),
});
