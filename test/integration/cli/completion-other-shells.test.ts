import { describeCompletion, prepareCompletion } from '../../support/completion.ts';
import { OTHER_SHELLS } from '../../support/other-shells.ts';

prepareCompletion();

for (const shell of OTHER_SHELLS) describeCompletion(shell);
