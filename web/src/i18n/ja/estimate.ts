export const estimate = {
  'estimate.calls': 'トークン数を推定した呼び出し{n}回',
  'estimate.ofSum': 'トークン数を推定した呼び出し{n}回(コストのうち{cost})',
  'estimate.mark': 'メッセージからの推定値(報告値ではありません)',
  'estimate.setting': '不足しているトークン数を推定する',
  'estimate.settingWhy':
    'OpenAIのモデルの呼び出しで、メッセージがすべて届き、トークン数がない場合に適用されます。推定値には≈が付き、合計には推定分が表示されます。',
} as const;
