export const estimate = {
  'estimate.calls': '{n}件の呼び出しはトークン数を推定',
  'estimate.ofSum': '{n}件の呼び出しはトークン数を推定、コストのうち{cost}',
  'estimate.mark': '本文からの推定。送られた値ではありません',
  'estimate.setting': '送られないトークン数を本文から推定する',
  'estimate.settingWhy':
    'OpenAIのモデルの呼び出しで、数がなく本文がすべて届いている場合。推定した数とコストには≈が付き、合計には推定分が示されます。',
} as const;
