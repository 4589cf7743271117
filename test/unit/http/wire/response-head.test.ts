import { expect, it } from 'vitest';
import { ResponseHead } from '../../../../src/http/wire/response-head.ts';

it('writes the length of the body and the current time into each head', () => {
  let nowMs = 0;
  const head = new ResponseHead(() => nowMs, 72_000);
  const facts = (text: string) =>
    /content-length: (\d+)\r\nDate: (.*)\r\nConnection: (.*)\r\n/.exec(text)?.slice(1);
  for (const time of ['00:00:00', '00:00:00', '00:00:01']) {
    const date = `Thu, 01 Jan 1970 ${time} GMT`;
    for (const bytes of [2, 30, 2]) {
      expect(facts(head.granted(bytes, false))).toEqual([`${bytes}`, date, 'keep-alive']);
    }
    expect(facts(head.granted(2, true))).toEqual(['2', date, 'close']);
    nowMs += 600;
  }
});
