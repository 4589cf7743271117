import { stormTests } from '../../support/storm-tests.ts';

stormTests({ coldKeys: 1_000, wrongSecrets: 4_000 });
