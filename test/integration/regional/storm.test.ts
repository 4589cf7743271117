import { stormTests } from '../../support/storm-tests.ts';

stormTests({ coldKeys: 500, wrongSecrets: 2_000 });
