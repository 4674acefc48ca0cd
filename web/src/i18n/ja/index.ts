import type { en } from '../en';
import { alerts } from './alerts';
import { common } from './common';
import { issues } from './issues';
import { metrics } from './metrics';
import { overview } from './overview';
import { prices } from './prices';
import { settings } from './settings';
import { setup } from './setup';
import { text } from './text';
import { trace } from './trace';
import { traces } from './traces';

export const ja: Record<keyof typeof en, string> = {
  ...alerts,
  ...common,
  ...issues,
  ...metrics,
  ...overview,
  ...prices,
  ...settings,
  ...setup,
  ...text,
  ...trace,
  ...traces,
};
