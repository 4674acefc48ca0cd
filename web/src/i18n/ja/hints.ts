export const hints = {
  'hints.title': 'クライアントへのヒント',
  'hints.why': '直近7日間に受信したデータから',
  'hints.none':
    'ヒントはありません。最近の呼び出しには必要な情報がすべて含まれています。以前のトレースには、個別に表示されることがあります。',
  'hints.example': '例を見る',
  'hints.seen': '{n}回、最終{time}',
  'hints.unknownSdk': '不明なSDK',
  'hints.stream_without_usage': 'ストリーミングの応答にトークン使用量がないため、コストは不明または推定になります。',
  'hints.stream_without_usage.fix': 'ストリーミングの呼び出しごとに、トークン使用量を要求します:',
  'hints.langchain_hides_openai':
    'LangChainがインストールされているため、SentryのSDKはOpenAIのライブラリの呼び出しを計装しません。これらはモデル、トークン、コストのないHTTPリクエストとして届きます。',
  'hints.langchain_hides_openai.fix': 'LangChainを使わない場合は、その計装を無効にします:',
  'hints.prompts_not_sent': 'プロンプトと応答が届いていません。',
  'hints.prompts_not_sent.fix': '送信するには:',
  'hints.sampled': '送信されているのは全トレースの{percent}です。合計に含まれるのは、呼び出しとコストの約{percent}です。',
  'hints.sampledSome': 'トレースの一部だけが送信されているため、合計は全体の値ではありません。',
  'hints.sampled.fix': 'すべての呼び出しを送信するには:',
  'hints.old_sdk':
    'このバージョンのSDKは、プロバイダーもキャッシュトークンも報告しません。プロンプトのキャッシュを使うとコストが高めに計算されます。一部の呼び出しは二重に報告されます(集計は1回だけです)。',
  'hints.old_sdk.fix': 'SDKを更新します:',
  'hints.clock_off': 'クライアントの時計が{time}ずれています。時刻はリクエストの受信時刻で補正されます。',
  'hints.clock_off.fix': 'マシンの時計を合わせるか、時刻サーバーと同期してください。',
  'hints.no_response_model': '応答モデルが報告されていないため、要求モデルの単価を使います。',
  'hints.unpriced_model': '{subject}は単価不明のため、その呼び出しはコストに含まれません。',
  'hints.unpriced_model.fix': '独自の単価を設定するか、モデル名を修正してください。',
  'hints.unpriced_model.priced': '{subject}の単価が設定されました。以前の呼び出しのコストは、再計算すると反映されます。',
} as const;
