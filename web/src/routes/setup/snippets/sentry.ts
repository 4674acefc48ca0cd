import type { T } from '../../../i18n';
import { highlighted, phpCallAttributes, type Snippet } from './snippet';

/** The start of the program, up to the options that versions of Sentry's Python SDK do not share. */
const pythonInit = (dsn: string, t: T) => `import sentry_sdk

sentry_sdk.init(
    dsn="${dsn}",
    traces_sample_rate=1.0,  # ${t('setup.comment.everyCall')}
`;

/** A function whose calls belong to a pipeline. */
const pythonPipeline = (t: T) => `

# ${t('setup.comment.pipeline')}
@sentry_sdk.trace(
    name="Support answer",
    attributes={"gen_ai.pipeline.name": "Support answer"},
)
def answer(question):
    ...`;

/** Sentry's SDKs: the DSN is all that they need. */
export const SENTRY_SNIPPETS: Snippet[] = [
  {
    id: 'python',
    name: 'Python',
    file: 'app.py',
    note: 'setup.notePython2',
    checks: { begin: 'setup.check.startPython', flush: 'sentry_sdk.flush()', debug: 'sentry_sdk.init(..., debug=True)' },
    code: (dsn, t) =>
      highlighted(
        'python',
        `# pip install --upgrade sentry-sdk
${pythonInit(dsn, t)}    send_default_pii=True,   # ${t('setup.comment.prompts')}
)${pythonPipeline(t)}`,
      ),
  },
  {
    id: 'python-sdk-3',
    name: 'Python SDK 3',
    file: 'app.py',
    note: 'setup.notePython3',
    checks: { begin: 'setup.check.startPython', flush: 'sentry_sdk.flush()', debug: 'sentry_sdk.init(..., debug=True)' },
    code: (dsn, t) =>
      highlighted(
        'python',
        `# pip install "sentry-sdk>=3.0.0b1"
${pythonInit(dsn, t)})${pythonPipeline(t)}`,
      ),
  },
  {
    id: 'javascript',
    name: 'JavaScript',
    file: 'instrument.mjs',
    note: 'setup.noteSentry',
    checks: { begin: 'setup.check.startJavascript', flush: 'await Sentry.flush(2000)', debug: 'Sentry.init({ ..., debug: true })' },
    code: (dsn, t) =>
      highlighted(
        'javascript',
        `// npm install @sentry/node@latest
// ${t('setup.comment.start')}
// node --import ./instrument.mjs app.mjs
import * as Sentry from "@sentry/node";

Sentry.init({
  dsn: "${dsn}",
  tracesSampleRate: 1.0,  // ${t('setup.comment.everyCall')}
  sendDefaultPii: true,   // ${t('setup.comment.prompts')}
});`,
      ),
  },
  {
    id: 'sentry-go',
    name: 'Go',
    file: 'main.go',
    note: 'setup.noteManual',
    checks: { begin: 'setup.check.startProgram', flush: 'sentry.Flush(2 * time.Second)', debug: 'sentry.ClientOptions{..., Debug: true}' },
    code: (dsn, t) =>
      highlighted(
        'go',
        `// go get github.com/getsentry/sentry-go@latest
package main

import (
	"context"
	"time"

	"github.com/getsentry/sentry-go"
)

func main() {
	if err := sentry.Init(sentry.ClientOptions{
		Dsn:              "${dsn}",
		EnableTracing:    true,
		TracesSampleRate: 1.0, // ${t('setup.comment.everyCall')}
	}); err != nil {
		panic(err)
	}
	defer sentry.Flush(2 * time.Second)

	transaction := sentry.StartTransaction(context.Background(), "answer")
	defer transaction.Finish()

	span := sentry.StartSpan(transaction.Context(), "gen_ai.chat", sentry.WithDescription("chat gpt-4o-mini"))
	span.SetData("gen_ai.operation.name", "chat")
	span.SetData("gen_ai.provider.name", "openai")
	span.SetData("gen_ai.request.model", "gpt-4o-mini")
	// ${t('setup.comment.callModel')}
	span.SetData("gen_ai.usage.input_tokens", 14)
	span.SetData("gen_ai.usage.output_tokens", 1)
	// ${t('setup.comment.prompts')}
	span.SetData("gen_ai.input.messages", \`[{"role":"user","parts":[{"type":"text","content":"Capital of France?"}]}]\`)
	span.SetData("gen_ai.output.messages", \`[{"role":"assistant","parts":[{"type":"text","content":"Paris"}]}]\`)
	span.Finish()
}`,
      ),
  },
  {
    id: 'sentry-java',
    name: 'Java',
    file: 'App.java',
    note: 'setup.noteManual',
    checks: { begin: 'setup.check.startProgram', flush: 'Sentry.flush(2000);', debug: 'options.setDebug(true);' },
    code: (dsn, t) =>
      highlighted(
        'java',
        `// build.gradle: implementation("io.sentry:sentry:8.+")
import io.sentry.Sentry;

public class App {
  public static void main(String[] arguments) {
    Sentry.init(options -> {
      options.setDsn("${dsn}");
      options.setTracesSampleRate(1.0); // ${t('setup.comment.everyCall')}
    });

    var transaction = Sentry.startTransaction("answer", "function");
    var span = transaction.startChild("gen_ai.chat", "chat gpt-4o-mini");
    span.setData("gen_ai.operation.name", "chat");
    span.setData("gen_ai.provider.name", "openai");
    span.setData("gen_ai.request.model", "gpt-4o-mini");
    // ${t('setup.comment.callModel')}
    span.setData("gen_ai.usage.input_tokens", 14);
    span.setData("gen_ai.usage.output_tokens", 1);
    // ${t('setup.comment.prompts')}
    span.setData("gen_ai.input.messages", """
        [{"role": "user", "parts": [{"type": "text", "content": "Capital of France?"}]}]""");
    span.setData("gen_ai.output.messages", """
        [{"role": "assistant", "parts": [{"type": "text", "content": "Paris"}]}]""");
    span.finish();
    transaction.finish();
    Sentry.close();
  }
}`,
      ),
  },
  {
    id: 'sentry-dotnet',
    name: '.NET',
    file: 'Program.cs',
    note: 'setup.noteDotnet',
    checks: { begin: 'setup.check.startProgram', flush: 'await SentrySdk.FlushAsync();', debug: 'options.Debug = true;' },
    code: (dsn, t) =>
      highlighted(
        'csharp',
        `// dotnet add package Sentry.Extensions.AI
// dotnet add package Microsoft.Extensions.AI.OpenAI
using Microsoft.Extensions.AI;
using Sentry;

using var sentry = SentrySdk.Init(options =>
{
    options.Dsn = "${dsn}";
    options.TracesSampleRate = 1.0; // ${t('setup.comment.everyCall')}
});
var client = new OpenAI.Chat.ChatClient("gpt-4o-mini", Environment.GetEnvironmentVariable("OPENAI_API_KEY"))
    .AsIChatClient()
    .AddSentry(options =>
    {
        options.Experimental.RecordInputs = true; // ${t('setup.comment.prompts')}
        options.Experimental.RecordOutputs = true;
    });

var transaction = SentrySdk.StartTransaction("answer", "function");
SentrySdk.ConfigureScope(scope => scope.Transaction = transaction);
var question = new ChatOptions { ModelId = "gpt-4o-mini" };
Console.WriteLine(await client.GetResponseAsync("Capital of France?", question));
transaction.Finish();`,
      ),
  },
  {
    id: 'sentry-ruby',
    name: 'Ruby',
    file: 'app.rb',
    note: 'setup.noteManual',
    checks: { begin: 'setup.check.startProgram', flush: 'Sentry.close', debug: 'config.debug = true' },
    code: (dsn, t) =>
      highlighted(
        'ruby',
        `# gem install sentry-ruby
require "json"
require "sentry-ruby"

Sentry.init do |config|
  config.dsn = "${dsn}"
  config.traces_sample_rate = 1.0 # ${t('setup.comment.everyCall')}
end

transaction = Sentry.start_transaction(name: "answer", op: "function")
Sentry.get_current_scope.set_span(transaction)

Sentry.with_child_span(op: "gen_ai.chat", description: "chat gpt-4o-mini") do |span|
  span.set_data("gen_ai.operation.name", "chat")
  span.set_data("gen_ai.provider.name", "openai")
  span.set_data("gen_ai.request.model", "gpt-4o-mini")
  # ${t('setup.comment.callModel')}
  span.set_data("gen_ai.usage.input_tokens", 14)
  span.set_data("gen_ai.usage.output_tokens", 1)
  # ${t('setup.comment.prompts')}
  question = [{ role: "user", parts: [{ type: "text", content: "Capital of France?" }] }]
  answer = [{ role: "assistant", parts: [{ type: "text", content: "Paris" }] }]
  span.set_data("gen_ai.input.messages", question.to_json)
  span.set_data("gen_ai.output.messages", answer.to_json)
end
transaction.finish`,
      ),
  },
  {
    id: 'sentry-php',
    name: 'PHP',
    file: 'app.php',
    note: 'setup.noteLaravel',
    checks: {
      begin: 'setup.check.startProgram',
      flush: '\\Sentry\\SentrySdk::getCurrentHub()->getClient()?->flush();',
      debug: "'logger' => new \\Sentry\\Logger\\DebugStdOutLogger()",
    },
    code: (dsn, t) =>
      highlighted(
        'php',
        `<?php // composer require sentry/sentry
require 'vendor/autoload.php';

use Sentry\\Tracing\\{SpanContext, TransactionContext};

Sentry\\init([
    'dsn' => '${dsn}',
    'traces_sample_rate' => 1.0, // ${t('setup.comment.everyCall')}
]);

$transaction = Sentry\\startTransaction(TransactionContext::make()->setName('answer')->setOp('function'));
$span = $transaction->startChild(SpanContext::make()->setOp('gen_ai.chat')->setDescription('chat gpt-4o-mini'));
// ${t('setup.comment.callModel')}
$span->setData([
${phpCallAttributes(t)}
]);
$span->finish();
$transaction->finish();`,
      ),
  },
  {
    id: 'sentry-rust',
    name: 'Rust',
    file: 'main.rs',
    note: 'setup.noteManual',
    checks: { begin: 'setup.check.startProgram', flush: 'drop(guard);', debug: 'sentry::ClientOptions::new().debug(true)' },
    code: (dsn, t) =>
      highlighted(
        'rust',
        `// cargo add sentry
fn main() {
    let guard = sentry::init(
        sentry::ClientOptions::new()
            .dsn("${dsn}")
            .traces_sample_rate(1.0), // ${t('setup.comment.everyCall')}
    );

    let transaction = sentry::start_transaction(sentry::TransactionContext::new("answer", "function"));
    let span = transaction.start_child("gen_ai.chat", "chat gpt-4o-mini");
    span.set_data("gen_ai.operation.name", "chat".into());
    span.set_data("gen_ai.provider.name", "openai".into());
    span.set_data("gen_ai.request.model", "gpt-4o-mini".into());
    // ${t('setup.comment.callModel')}
    span.set_data("gen_ai.usage.input_tokens", 14.into());
    span.set_data("gen_ai.usage.output_tokens", 1.into());
    // ${t('setup.comment.prompts')}
    let question = r#"[{"role":"user","parts":[{"type":"text","content":"Capital of France?"}]}]"#;
    let answer = r#"[{"role":"assistant","parts":[{"type":"text","content":"Paris"}]}]"#;
    span.set_data("gen_ai.input.messages", question.into());
    span.set_data("gen_ai.output.messages", answer.into());
    span.finish();
    transaction.finish();
    drop(guard);
}`,
      ),
  },
];
