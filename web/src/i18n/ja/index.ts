import type { en } from '../en';
import { alerts } from './alerts';
import { audit } from './audit';
import { bill } from './bill';
import { common } from './common';
import { estimate } from './estimate';
import { evaluators } from './evaluators';
import { findings } from './findings';
import { hints } from './hints';
import { issueEvent } from './issue-event';
import { issues } from './issues';
import { logs } from './logs';
import { mapping } from './mapping';
import { metrics } from './metrics';
import { overview } from './overview';
import { prices } from './prices';
import { quality } from './quality';
import { reading } from './reading';
import { settings } from './settings';
import { setup } from './setup';
import { share } from './share';
import { signIn } from './sign-in';
import { text } from './text';
import { trace } from './trace';
import { traces } from './traces';

export const ja: Record<keyof typeof en, string> = {
  ...alerts,
  ...audit,
  ...bill,
  ...common,
  ...estimate,
  ...evaluators,
  ...findings,
  ...hints,
  ...issues,
  ...issueEvent,
  ...logs,
  ...mapping,
  ...metrics,
  ...overview,
  ...prices,
  ...quality,
  ...reading,
  ...settings,
  ...setup,
  ...share,
  ...signIn,
  ...text,
  ...trace,
  ...traces,
};
