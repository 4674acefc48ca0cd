export const estimate = {
  'estimate.calls': 'tokens of {n} call are estimated|tokens of {n} calls are estimated',
  'estimate.ofSum': 'tokens of {n} call are estimated: {cost} of the cost|tokens of {n} calls are estimated: {cost} of the cost',
  'estimate.mark': 'estimated from the texts, not reported',
  'estimate.setting': 'Estimate missing token counts from texts',
  'estimate.settingWhy':
    'Where a call of OpenAI’s models comes without counts and with all of its texts. Such counts and their cost are marked ≈; sums say how much of them is estimated.',
} as const;
