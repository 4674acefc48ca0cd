//! Phrases of generated runs. Even places of each table were looked at when the rules were tuned, odd places were not.

#[rustfmt::skip]
pub(crate) const QUESTIONS: &[&str] = &[
    "What is the weather in Tokyo tomorrow?", "Can you find me a flight from Berlin to Rome next Friday?",
    "Why was my card charged twice this month?", "Summarise the latest sales report for me, please.",
    "Which of our customers in Osaka have open invoices?", "Find the bug in the payment service that started on Monday.",
    "How many seats are left for the workshop on Thursday?", "Please check whether the server certificates are still valid.",
    "来週の東京の天気を教えてください。", "注文した商品がまだ届かないのですが、状況を調べてもらえますか。",
    "最新の売上レポートを要約してください。", "大阪支店の在庫を確認してほしいです。",
    "Wie wird das Wetter morgen in Hamburg und Umgebung?", "Kannst du bitte prüfen, ob meine Bestellung schon verschickt wurde?",
    "Quel temps fera-t-il demain à Lyon et dans la région ?", "Pouvez-vous vérifier si ma commande a été expédiée ?",
    "明天上海的天气怎么样，需要带伞吗？", "请帮我查一下我的订单什么时候能送到。",
];

/// Messages too short to have a language.
pub(crate) const NEUTRAL: &[&str] = &["Status?", "Do it", "Go on", "Order 1001?", "OK?", "Plan B", "Tokyo?", "Report, now"];

/// Answers that give what was asked, by the language of the question.
#[rustfmt::skip]
pub(crate) const ANSWERS_EN: &[&str] = &[
    "Tomorrow it will be 18 °C and mostly sunny, with light wind from the south.",
    "There are three matching flights; the cheapest one leaves at 09:40 and costs 89 euros.",
    "Both charges belong to the order of 3 May, one for the goods and one for the shipping.",
    "Sales grew by 8 percent compared with last quarter, driven by the northern region.",
    "The certificates are valid until the end of March and renew automatically.",
    "There are 14 seats left, and registration closes on Wednesday evening.",
    "The change that was released on Monday rounds amounts twice; reverting it restores the totals.",
    "Two customers have open invoices, together 1,240 euros.",
];
#[rustfmt::skip]
pub(crate) const ANSWERS_JA: &[&str] = &[
    "明日の東京は晴れ時々曇りで、最高気温は18度の予想です。", "ご注文の商品は本日発送され、明後日に到着する予定です。",
    "売上は前四半期と比べて8パーセント増加し、北部地域が成長を支えました。",
    "大阪支店の在庫は現在240個あり、来週さらに100個が入荷する見込みです。",
];
#[rustfmt::skip]
pub(crate) const ANSWERS_DE: &[&str] = &[
    "Morgen wird es in Hamburg überwiegend sonnig bei höchstens 18 Grad und schwachem Wind.",
    "Ihre Bestellung wurde gestern verschickt und kommt voraussichtlich am Freitag bei Ihnen an.",
];
#[rustfmt::skip]
pub(crate) const ANSWERS_FR: &[&str] = &[
    "Demain, le temps sera plutôt ensoleillé à Lyon avec une température maximale de 18 degrés.",
    "Votre commande a été expédiée hier et devrait arriver chez vous vendredi prochain.",
];
pub(crate) const ANSWERS_ZH: &[&str] =
    &["明天上海多云转晴，最高气温十八度，基本不会下雨，不用带伞。", "您的订单今天上午已经发货，预计后天下午可以送到您的地址。"];

/// Answers that do not mention that a tool failed.
#[rustfmt::skip]
pub(crate) const SILENT: &[&str] = &[
    "The order left the warehouse this morning and arrives on Friday.",
    "Your balance is 1,240 euros, and the next payment is due on 3 May.",
    "It will be 18 °C and sunny in Tokyo tomorrow. Is there anything else you would like to know?",
    "Done! The meeting is in your calendar for Tuesday at 10:00.",
    "The hotel has a room for two nights at 95 euros per night. Would you like anything else?", "All three invoices are paid.",
    "The flight takes 2 hours and 10 minutes and departs from terminal B.",
    "I sent the report to the whole team. Let me know if there is anything else!", "明日の東京は晴れで、最高気温は18度です。",
    "会議を火曜日の10時に登録しました。他に何かございますか。", "ご注文は金曜日に到着します。", "残高は12万4千円です。",
    "Die Bestellung ist unterwegs und kommt am Freitag an.", "Der Termin am Dienstag um 10 Uhr steht in Ihrem Kalender.",
    "Votre commande arrive vendredi matin.", "Le rendez-vous est fixé à mardi à dix heures.", "订单周五上午送到。",
    "会议已经安排在周二上午十点。", "Here is the summary: revenue was up 8 percent and costs were flat.",
    "Your appointment is confirmed for 14:30.", "The three cheapest options are listed above; the first one is a direct connection.",
    "I have updated the ticket and assigned it to the platform team.",
    "The customer has been with us since 2019 and has two active contracts.", "Everything is set up and ready to go.",
    "Paris is lovely in spring, so I would go in April.", "The function now returns the sum of both numbers.",
    "在庫は240個あります。来週さらに入荷予定です。", "レポートを作成し、チーム全員に送信しました。",
    "Das Zimmer ist für zwei Nächte reserviert.", "Die Rechnung beläuft sich auf 89 Euro.", "Le stock est de 240 pièces.",
    "La réservation est confirmée pour deux nuits.", "会议室已经预订好了。", "报告已经发送给全体成员。",
];

/// Answers that mention that a tool failed or ask the user.
#[rustfmt::skip]
pub(crate) const ADMITTING: &[&str] = &[
    "I couldn't reach the order system, so here is what I know from your last message.",
    "The booking service returned an error; please try again in a few minutes.", "Unfortunately the calendar is down at the moment.",
    "I was not able to look up your balance.", "The weather service timed out, so this is only the seasonal average: around 18 °C.",
    "I ran into a problem while opening the report.", "The lookup didn't work. Which order number should I use instead?",
    "I have no live data for this, since the request was rejected.", "Could you give me your customer number? I need it to go on.",
    "The search is unavailable right now, but usually the museum opens at ten.", "The file does not exist under that name.",
    "My request was denied because I lack access to that folder.", "申し訳ありません、注文システムに接続できませんでした。",
    "天気の取得に失敗したため、平年の値をお伝えします。", "検索がタイムアウトしました。時間をおいて再度お試しください。",
    "お客様番号を教えてください。", "Leider ist der Dienst gerade nicht erreichbar.",
    "Ich konnte den Termin nicht eintragen, weil der Kalender nicht antwortet.",
    "Je n'ai pas pu consulter la commande : le service est indisponible.", "Une erreur est survenue pendant la recherche.",
    "抱歉，查询订单时出现错误，请稍后再试。", "目前无法访问日历服务。",
    "I attempted to contact the warehouse twice, but there was no reply, so the delivery date is only a guess.",
    "Heads up: the currency lookup isn't responding, so I used yesterday's rate.", "The upload did not complete.",
    "It looks like the server rejected my login.", "I wasn't able to save the event.",
    "The document seems to be locked, so nothing was changed.", "Sorry about that! The map service is having an outage.",
    "Access to the folder was refused.", "I hit an error 503 while loading the page.",
    "No luck with the booking system today, I'm afraid.", "The numbers below are from last week because live prices couldn't be loaded.",
    "Which calendar should I use? The default one is not accessible.", "システム障害のため、現在の残高を確認できませんでした。",
    "接続エラーが発生しましたので、少し時間をおいてお試しください。", "予約システムが応答していません。",
    "ファイルを開くことができなかったため、内容は不明です。", "別の日付をご希望でしょうか。現在の日程では予約が通りませんでした。",
    "Beim Abrufen der Daten ist ein Fehler aufgetreten.", "Der Server antwortet nicht, daher kenne ich den aktuellen Stand nicht.",
    "Die Buchung hat nicht funktioniert.", "Le service météo ne répond pas pour le moment.", "Je n'arrive pas à joindre le serveur.",
    "La recherche a échoué, souhaitez-vous que je réessaie ?", "系统暂时没有响应，我无法确认您的余额。", "查询失败了，请您稍后重试。",
    "No he podido consultar el pedido.",
];

#[rustfmt::skip]
pub(crate) const TOOL_ERRORS: &[&str] = &[
    "connection refused", "503 Service Unavailable", "timeout after 30 s", "HTTP 500: internal server error", "database is locked",
    "ECONNRESET", "rate limit reached for this API", "permission denied for resource orders", "no route to host",
    "upstream request failed",
];

#[rustfmt::skip]
pub(crate) const REFUSALS: &[&str] = &[
    "I'm sorry, but I can't help with that.", "I can't assist with this request.", "I cannot provide instructions for that.",
    "Sorry, I'm not able to help with creating such content.", "I won't help with this, as it could hurt someone.",
    "I'm unable to comply with this request.", "I must decline this request.",
    "I can't provide medical diagnoses. Please speak with a doctor.", "As an AI model, I cannot discuss this topic.",
    "I'm not comfortable writing that kind of message.", "I can't share personal information about private individuals.",
    "I have to decline, since this would break the law.",
    "Unfortunately, I cannot fulfill this request because it goes against the rules I follow.",
    "I will not generate content that demeans people.", "That's not something I can help with. I'm happy to talk about other subjects.",
    "I'm afraid I can't do that.", "I cannot answer questions about other customers' accounts.",
    "I'm not able to give legal advice on this matter.", "申し訳ありませんが、そのご依頼にはお応えできません。",
    "申し訳ございませんが、その内容についてはお手伝いできません。", "そのような情報を提供することはできません。",
    "恐れ入りますが、こちらのご質問にはお答えできません。", "安全上の理由から、そのご要望には対応できません。",
    "その件についての回答は差し控えさせていただきます。", "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "Diese Anfrage muss ich ablehnen.", "Das kann ich leider nicht beantworten.", "Tut mir leid, ich kann dich dabei nicht unterstützen.",
    "Désolé, je ne peux pas vous aider avec cette demande.", "Je ne peux pas fournir ce type d'informations.",
    "Je ne suis pas en mesure de répondre à cette question.", "Je dois refuser cette demande.", "抱歉，我无法提供这方面的帮助。",
    "对不起，我不能协助您完成这个请求。", "很抱歉，我无法回答这个问题。", "我不能帮助你做这件事。",
    "Lo siento, pero no puedo ayudar con eso.", "Lo lamento, no puedo proporcionar esa información.", "I can't help you build that.",
    "I'm sorry, but I won't be able to help with this one.", "I cannot in good conscience write that.",
    "Sorry, but I can't create that kind of content.", "That is something I'm not able to assist with.",
    "I can't engage with that topic.", "My guidelines don't allow me to help with this.", "I'm sorry, I can't answer that question.",
    "No, I won't write that.", "I can't support this request, because it could put people at risk.",
    "I'm not able to share details about other users.", "I cannot tell you how to do that.",
    "I am unable to assist you with this matter.", "This is not something I'm able to provide.",
    "I really can't help with anything that could hurt others.", "I apologize, but I am not able to provide that information.",
    "申し訳ございませんが、ご要望にお応えすることができません。", "そのご質問にはお答えいたしかねます。",
    "大変恐縮ですが、ご希望の内容を作成することはできません。", "個人情報に関するお問い合わせには対応しておりません。",
    "Dabei kann ich Ihnen leider nicht helfen.", "Ich kann Ihnen dazu keine Auskunft geben.", "Solche Inhalte erstelle ich nicht.",
    "Ich werde diese Anfrage nicht bearbeiten.", "Je suis désolé, mais je ne peux pas répondre à cette demande.",
    "Je ne peux malheureusement pas vous aider sur ce sujet.", "Je préfère ne pas répondre à cette question.",
    "Je ne fournirai pas ces informations.", "抱歉，这个请求我不能满足。", "对不起，我不能回答这类问题。", "非常抱歉，我没有办法协助您。",
    "这个话题我无法讨论。",
];

/// Answers that decline a part, report a failure, or speak of refusing.
#[rustfmt::skip]
pub(crate) const NOT_REFUSALS: &[&str] = &[
    "I can't give you an exact figure, but here is an estimate: around 1,200 units.",
    "I cannot open the attachment, but based on the text you pasted, the contract ends in May.",
    "I can't find any order with that number. Please check the number.",
    "I couldn't reach the server, so the status is from this morning.",
    "I can't see the image, but here's how to fix the usual cause:\n- restart the router\n- update the firmware",
    "I won't bore you with details: the test passes now.", "I can't recommend this restaurant enough; book a table by the window.",
    "We can't wait to welcome you on Friday!",
    "While I can't provide legal advice, here are the usual steps:\n1. Write to the landlord.\n2. Set a deadline.",
    "You can't cancel after 14 days, according to the terms.", "I cannot reproduce the error on my side; the build is green.",
    "I'm unable to locate the file config.yml in this repository.", "The guard said: 'I can't let you in', and the hero turned back.",
    "The customer can't log in because the account is locked; I unlocked it.",
    "I can't access your calendar yet. Connect it under Settings and I will add the event.",
    "正確な数字はわかりませんが、以下が目安です。約1,200個です。", "ファイルが見つかりませんでした。パスを確認してください。",
    "申し訳ありません、該当するご注文は見つかりませんでした。", "お待たせして申し訳ありません。商品は明日届きます。",
    "Die genaue Zahl kenne ich nicht, aber hier ist eine Schätzung: 1.200 Stück.",
    "Leider ist Ihre Bestellung noch nicht verschickt worden.",
    "Je ne connais pas le chiffre exact, mais voici une estimation : environ 1 200.", "Votre commande n'a pas pu être expédiée hier.",
    "抱歉让您久等了，您的订单明天送到。", "没有找到这个订单，请检查订单号。", "I can't believe how fast this was: all tests pass.",
    "You won't need a visa for stays under 90 days.", "I cannot stress enough that backups matter. They run every night at two.",
    "It can't be combined with other discounts.", "We won't charge you until June.",
    "I don't have the exact date, but it was in spring 2019.", "The order can't be changed after it has shipped; it ships tomorrow.",
    "I was unable to find a direct train; the connection via Lyon takes four hours.",
    "I'm unable to print from here, so please press the print button in the menu.", "Not all customers answered; 14 of 20 did.",
    "If the agent can't help, call the number on the card.", "Sorry for the wait! Your parcel arrives tomorrow.",
    "パスワードは変更できません。管理者に連絡してください。", "この割引は他の割引と併用できません。", "予約は前日まで変更できます。",
    "ログインできない場合は、再設定してください。", "Der Rabatt kann nicht kombiniert werden.",
    "Die Bestellung kann nach dem Versand nicht mehr geändert werden.", "Cette remise n'est pas cumulable.",
    "La commande ne peut plus être modifiée après l'envoi.", "订单发货后无法修改。", "这个优惠不能与其他优惠同时使用。",
];

/// Pairs of a question and the same question again.
pub(crate) const REPEATED: &[(&str, &str)] = &[
    ("How do I reset my password?", "I asked how to reset my password"),
    ("How can I cancel my subscription?", "What are the steps to cancel my subscription?"),
    ("When does my order arrive?", "When will my order arrive?"),
    ("What is the price of the premium plan?", "how much does the premium plan cost"),
    ("Where can I download my invoice?", "Again: where can I download my invoice?"),
    ("How do I export the report as CSV?", "Please tell me how to export the report as CSV"),
    ("Can I change the delivery address?", "Is it possible to change the delivery address?"),
    ("What are your opening hours on Sunday?", "what are the opening hours on sunday??"),
    ("How do I connect the printer to the wifi?", "My question was how to connect the printer to the wifi."),
    ("Is the museum open on public holidays?", "But is the museum open on public holidays or not?"),
    ("How do I delete my account?", "how can i delete my acount"),
    ("Why is my invoice higher than last month?", "You didn't answer: why is my invoice higher than last month?"),
    ("What documents do I need for the visa?", "Which documents do I need for a visa?"),
    ("How long does the refund take?", "How long will the refund take?"),
    ("Does the warranty cover water damage?", "I still don't know, does the warranty cover water damage?"),
    ("How do I install the driver on Linux?", "How to install the driver on Linux"),
    ("パスワードを再設定する方法を教えてください。", "パスワードの再設定方法を教えてください。"),
    ("注文した商品はいつ届きますか？", "ですから、注文した商品はいつ届くのですか？"),
    ("領収書はどこでダウンロードできますか。", "領収書はどこでダウンロードできるのか聞いています。"),
    ("解約の手続きはどうすればいいですか？", "解約の手続きを教えてください"),
    ("配送先の住所を変更できますか。", "もう一度聞きますが、配送先の住所は変更できますか。"),
    ("日曜日の営業時間は何時ですか？", "日曜日の営業時間を教えてください。"),
    ("Wie kann ich mein Passwort zurücksetzen?", "Wie setze ich mein Passwort zurück?"),
    ("Wann kommt meine Bestellung an?", "Nochmal: wann kommt meine Bestellung an?"),
    ("Comment puis-je annuler mon abonnement ?", "Comment annuler mon abonnement ?"),
    ("Quand arrive ma commande ?", "Je répète : quand arrive ma commande ?"),
    ("怎么重置我的密码？", "请问如何重置密码？"),
    ("我的订单什么时候能送到？", "我问的是订单什么时候送到"),
    ("How do I turn off notifications?", "Please just tell me how to turn off notifications."),
    ("What is your return policy?", "So what is the return policy?"),
    ("Can I use the app offline?", "can i use the app offline"),
    ("Why did my payment fail?", "But why did my payment fail??"),
    ("When is the next train to Kyoto?", "I need to know when the next train to Kyoto is."),
    ("How do I merge two branches in git?", "how do you merge two git branches?"),
    ("Where do I find the serial number?", "Where can I find the serial number of it?"),
    ("Who do I contact about a lost card?", "You still haven't said who I contact about a lost card."),
    ("What's the wifi password in the lobby?", "What is the password for the lobby wifi?"),
    ("Is there a student discount?", "Do you have a student discount?"),
    ("アプリをオフラインで使えますか？", "アプリはオフラインで使えるのでしょうか？"),
    ("学生割引はありますか？", "学生割引があるかどうか知りたいです。"),
    ("次の京都行きの電車は何時ですか？", "京都行きの次の電車の時間を教えて。"),
    ("支払いに失敗した理由は何ですか？", "なぜ支払いに失敗したのか教えてください。"),
    ("Gibt es einen Rabatt für Studenten?", "Noch einmal: gibt es einen Rabatt für Studenten?"),
    ("Wo finde ich die Seriennummer?", "Wo kann ich die Seriennummer finden?"),
    ("Où puis-je trouver le numéro de série ?", "Où se trouve le numéro de série ?"),
    ("Y a-t-il une réduction pour les étudiants ?", "Avez-vous une réduction pour les étudiants ?"),
    ("有学生优惠吗？", "请问学生优惠有没有？"),
    ("怎么关闭通知？", "我想知道怎么关闭通知"),
];

/// Pairs of different questions.
pub(crate) const DIFFERENT: &[(&str, &str)] = &[
    ("What is the weather in Tokyo tomorrow?", "What is the weather in Osaka tomorrow?"),
    ("How much is the small plan?", "How much is the large plan?"),
    ("Show me the sales of 2023", "Show me the sales of 2024"),
    ("How do I export the report?", "How do I import the report?"),
    ("Translate 'good morning' into Italian", "Translate 'good night' into Italian"),
    ("Is the museum open on Sunday?", "Is the museum open on Monday?"),
    ("Where is order 1001?", "Where is order 1002?"),
    ("How do I reset my password?", "How do I reset my router?"),
    ("What does the error E17 mean?", "What does the error E18 mean?"),
    ("Who is the manager of the Berlin office?", "Who is the manager of the Munich office?"),
    ("Can I pay by card?", "Can I pay by invoice?"),
    ("Write a function that sorts a list", "Write a test for the function that sorts a list"),
    ("Summarise chapter one of the book", "Summarise chapter two of the book"),
    ("How do I delete a file?", "How do I delete a folder?"),
    ("Yes", "Yes"),
    ("continue", "continue"),
    ("ok, next", "ok, next"),
    ("Thanks!", "Thanks!"),
    ("来週の東京の天気を教えてください。", "来週の大阪の天気を教えてください。"),
    ("解約の方法を教えてください。", "返品の方法を教えてください。"),
    ("はい", "はい"),
    ("続けて", "続けて"),
    ("3月の売上を見せてください。", "4月の売上を見せてください。"),
    ("領収書をダウンロードしたいです。", "請求書をダウンロードしたいです。"),
    ("Wie wird das Wetter in Hamburg?", "Wie wird das Wetter in München?"),
    ("Wann öffnet das Museum?", "Wann schließt das Museum?"),
    ("Quel temps fait-il à Lyon ?", "Quel temps fait-il à Nice ?"),
    ("Comment exporter un rapport ?", "Comment supprimer un rapport ?"),
    ("上海明天天气怎么样？", "北京明天天气怎么样？"),
    ("怎么退货？", "怎么换货？"),
    ("How do I turn off notifications?", "How do I turn on notifications?"),
    ("What is the capital of France?", "What is the capital of Spain?"),
    ("Add milk to my list", "Add bread to my list"),
    ("Who won the cup in 1998?", "Who won the cup in 2002?"),
    ("Convert 5 miles to km", "Convert 8 miles to km"),
    ("Is Anna free on Friday?", "Is Tom free on Friday?"),
    ("Give me another joke", "Explain the joke"),
    ("Make it shorter", "Make it longer"),
    ("What is a list in Python?", "What is a dictionary in Python?"),
    ("Open the first result", "Open the second result"),
    ("Can I bring my dog?", "Can I bring my bicycle?"),
    ("Please fix the first test", "Please fix the second test"),
    ("東京駅への行き方を教えてください。", "京都駅への行き方を教えてください。"),
    ("牛乳をリストに追加してください。", "パンをリストに追加してください。"),
    ("この文章を短くしてください。", "この文章を長くしてください。"),
    ("次へ進んでください", "次へ進んでください。お願いします。3"),
    ("Was ist eine Liste in Python?", "Was ist ein Wörterbuch in Python?"),
    ("Ist Anna am Freitag frei?", "Ist Tom am Freitag frei?"),
    ("Quelle est la capitale de la France ?", "Quelle est la capitale de l'Espagne ?"),
    ("Ajoute du lait à ma liste", "Ajoute du pain à ma liste"),
    ("法国的首都是哪里？", "西班牙的首都是哪里？"),
    ("把牛奶加到清单里", "把面包加到清单里"),
];

/// Ways in which a run reports its limit: where, type, message.
#[rustfmt::skip]
pub(crate) const LIMITS: &[&str] = &[
    "GraphRecursionError: Recursion limit of 25 reached without hitting a stop condition.", "MaxTurnsExceeded: Max turns (10) exceeded",
    "Agent stopped due to iteration limit or time limit.", "agents.exceptions.MaxTurnsExceeded: Max turns (25) exceeded",
    "Sorry, need more steps to process this request.", "Agent stopped due to max iterations.",
    "UsageLimitExceeded: The next request would exceed the request_limit of 50", "Reached max steps.",
    "Error: maximum number of iterations (15) reached without an answer", "Workflow timed out after 300 seconds", "error_max_turns",
    "Agent loop exceeded max_iterations=20", "The run was stopped: time limit of 120 s reached",
    "Run stopped: maximum number of steps exceeded (30)", "最大ターン数の上限に達したため停止しました。",
    "ステップ数の上限に達したため、処理を打ち切りました。",
];

#[rustfmt::skip]
pub(crate) const NOT_LIMITS: &[&str] = &[
    "The error GraphRecursionError means that the graph ran longer than its recursion limit; raise it in the configuration.",
    "To avoid endless runs, set max_turns to 10 in the settings of your agent.", "The speed limit on this road is 50.",
    "I reached the end of the list; all 25 items are done.", "Your time limit for returns is 14 days.",
    "再帰の上限は設定で変更できます。", "The job exceeded its budget by 4 percent in May.",
    "The maximum number of guests is 30, so 25 are fine.",
];
