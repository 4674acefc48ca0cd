/** IDプロバイダーによるサインインの文言 */
export const signIn = {
  'provider.submit': 'シングルサインオンでサインイン',
  'provider.failed.declined': 'IDプロバイダーがサインインを拒否しました。Hinomiを使えるかどうか、プロバイダーの管理者に確認してください。',
  'provider.failed.login_required': 'IDプロバイダーで、もう一度サインインしてください。',
  'provider.failed.provider_unavailable':
    '現在、IDプロバイダーを利用できません。もう一度お試しください。解決しない場合は、サーバーのログで原因を確認できます。',
  'provider.failed.client_rejected':
    'IDプロバイダーがこのサーバーを拒否しました。クライアントID、クライアントシークレット、リダイレクトURIの確認を管理者に依頼してください。',
  'provider.failed.token_invalid': 'IDプロバイダーの応答が正しくありません。サーバーのログで原因を確認できます。',
  'provider.failed.token_time':
    'IDプロバイダーの応答が、現在の時刻では有効ではありません。サーバーとプロバイダーの時計の確認を管理者に依頼してください。',
  'provider.failed.state_invalid': 'このサインインは期限切れか、完了済みです。もう一度お試しください。',
  'provider.failed.email_missing':
    'IDプロバイダーからメールアドレスが届きませんでした。スコープemailの追加を管理者に依頼してください。',
  'provider.failed.email_unverified':
    'IDプロバイダーで、メールアドレスが確認されていません。確認を済ませてから、もう一度お試しください。',
  'provider.failed.email_domain': 'このドメインのメールアドレスでは、このサーバーにサインインできません。',
  'provider.failed.not_invited': 'このメールアドレスは招待されていません。サーバーの管理者に招待を依頼してください。',
  'provider.failed.deactivated': 'このアカウントは無効です。サーバーの管理者に連絡してください。',
  'provider.failed.linked_to_another':
    'このメールアドレスは、別のIDのアカウントで使われています。管理者はhinomi user unlinkでリンクを解除できます。',
  'provider.failed.no_role': '所属グループには、このサーバーの権限がありません。サーバーの管理者に連絡してください。',
  'provider.failed.internal': 'サインインに失敗しました。サーバーのログで原因を確認できます。',
  'provider.usesProvider': 'このアカウントは、パスワードではなくシングルサインオンを使います。',
} as const;
