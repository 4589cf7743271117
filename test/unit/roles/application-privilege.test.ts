import { expect, it } from 'vitest';
import {
  applicationNameProblem,
  applicationPrivilegeProblem,
} from '../../../src/roles/application-privilege.ts';

it.each(['kibana-.kibana', 'kibana-*', '*', 'abc', 'app_v1', 'a*', 'myApp2', 'fleet'])(
  'accepts the application %s',
  (name) => expect(applicationNameProblem(name)).toBeUndefined(),
);

it.each([
  '',
  'ab',
  'Kibana',
  '1app',
  '.kibana',
  'app name',
  'ki*na',
  '**',
  'app-a/b',
  'app-a?',
  'app-a|b',
  'app-ä b',
  'app-a\tb',
])('refuses the application %j', (name) => expect(applicationNameProblem(name)).toEqual(expect.any(String)));

it.each(['read', 'feature_discover.all', 'data:read/*', 'space_all', '!~'])(
  'accepts the privilege %s',
  (name) => expect(applicationPrivilegeProblem(name)).toBeUndefined(),
);

it.each(['read all', 'a\tb', 'ä', '\u007f'])('refuses the privilege %j', (name) =>
  expect(applicationPrivilegeProblem(name)).toEqual(expect.any(String)),
);

it.each([
  ['ki*na', 'only at its end'],
  ['app-*b', 'only at its end'],
  ['app-\u00a0', 'white space'],
  ['ab-c', 'at least 3 characters'],
])('says what is wrong with the application %j', (name, problem) => {
  expect(applicationNameProblem(name)).toContain(problem);
});
