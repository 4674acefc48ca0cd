export const estimate = {
  'estimate.calls': '{n} call with estimated tokens|{n} calls with estimated tokens',
  'estimate.ofSum': '{n} call with estimated tokens ({cost} of total cost)|{n} calls with estimated tokens ({cost} of total cost)',
  'estimate.mark': 'estimated from messages, not reported',
  'estimate.setting': 'Estimate missing token counts',
  'estimate.settingWhy':
    'Applies to OpenAI models if a call has all its messages but no token counts. Estimates are marked ≈, and totals show their estimated part.',
} as const;
