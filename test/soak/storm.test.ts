import { stormTests } from '../support/storm-tests.ts';

stormTests({ coldKeys: 5_000, wrongSecrets: 50_000 });
