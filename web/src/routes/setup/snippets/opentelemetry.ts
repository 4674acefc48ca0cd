import { CAPTURE } from '../../../components/hints/settings';
import { highlighted, otlpSettings, otlpVariables, phpCallAttributes, type Snippet } from './snippet';

/** OpenTelemetry's SDKs, and frameworks that use them. */
export const OPENTELEMETRY_SNIPPETS: Snippet[] = [
  {
    id: 'opentelemetry',
    name: 'Python',
    file: 'shell',
    note: 'setup.noteOpentelemetry',
    checks: {
      begin: 'setup.check.startOpentelemetry',
      flush: 'opentelemetry.trace.get_tracer_provider().force_flush()',
      debug: 'opentelemetry-instrument --traces_exporter console,otlp python app.py',
    },
    code: (dsn, t) =>
      highlighted(
        'shell',
        `${otlpVariables(dsn)}# ${t('setup.comment.prompts')}
export OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=${CAPTURE}

# Python: ${t('setup.comment.instrumented')}
pip install opentelemetry-distro opentelemetry-exporter-otlp opentelemetry-instrumentation-genai-openai
opentelemetry-instrument --logs_exporter otlp python app.py`,
      ),
  },
  {
    id: 'opentelemetry-go',
    name: 'Go',
    file: 'main.go',
    note: 'setup.noteManual',
    checks: { begin: 'setup.check.startProgram', flush: 'provider.ForceFlush(ctx)' },
    code: (dsn, t) => {
      const { origin, key } = otlpSettings(dsn);
      return highlighted(
        'go',
        `// go get go.opentelemetry.io/otel/sdk go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp
package main

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL("${origin}/v1/traces"),
		otlptracehttp.WithHeaders(map[string]string{"x-hinomi-key": "${key}"}))
	if err != nil {
		panic(err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	defer provider.Shutdown(ctx)

	_, span := provider.Tracer("app").Start(ctx, "chat gpt-4o-mini")
	// ${t('setup.comment.callModel')}
	span.SetAttributes(
		attribute.String("gen_ai.operation.name", "chat"),
		attribute.String("gen_ai.provider.name", "openai"),
		attribute.String("gen_ai.request.model", "gpt-4o-mini"),
		attribute.Int("gen_ai.usage.input_tokens", 14),
		attribute.Int("gen_ai.usage.output_tokens", 1),
		// ${t('setup.comment.prompts')}
		attribute.String("gen_ai.input.messages", \`[{"role":"user","parts":[{"type":"text","content":"Capital of France?"}]}]\`),
		attribute.String("gen_ai.output.messages", \`[{"role":"assistant","parts":[{"type":"text","content":"Paris"}]}]\`),
	)
	span.End()
}`,
      );
    },
  },
  {
    id: 'opentelemetry-java',
    name: 'Java',
    file: 'shell',
    note: 'setup.noteJava',
    checks: { begin: 'setup.check.startJava', debug: 'export OTEL_JAVAAGENT_DEBUG=true' },
    code: (dsn, t) =>
      highlighted(
        'shell',
        `curl -LO https://github.com/open-telemetry/opentelemetry-java-instrumentation/releases/latest/download/opentelemetry-javaagent.jar
${otlpVariables(dsn)}# ${t('setup.comment.prompts')}
export OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true

java -javaagent:opentelemetry-javaagent.jar -jar app.jar`,
      ),
  },
  {
    id: 'spring-ai',
    name: 'Spring AI',
    file: 'application.properties',
    note: 'setup.noteSpring',
    checks: { begin: 'setup.check.startProgram', debug: 'logging.level.io.opentelemetry=DEBUG' },
    code: (dsn, t) => {
      const { origin, key } = otlpSettings(dsn);
      return highlighted(
        'properties',
        `# build.gradle:
#   implementation("org.springframework.boot:spring-boot-starter-actuator")
#   implementation("org.springframework.boot:spring-boot-starter-opentelemetry")
management.opentelemetry.tracing.export.otlp.endpoint=${origin}/v1/traces
management.opentelemetry.tracing.export.otlp.headers.x-hinomi-key=${key}
management.otlp.metrics.export.url=${origin}/v1/metrics
management.otlp.metrics.export.headers.x-hinomi-key=${key}

# ${t('setup.comment.everyCall')}
management.tracing.sampling.probability=1.0

# ${t('setup.comment.tools')}
spring.ai.tools.observations.include-content=true
`,
      );
    },
  },
  {
    id: 'langchain4j',
    name: 'LangChain4j',
    file: 'App.java',
    checks: { begin: 'setup.check.startProgram', flush: 'telemetry.getSdkTracerProvider().forceFlush();' },
    code: (dsn, t) => {
      const { origin, key } = otlpSettings(dsn);
      return highlighted(
        'java',
        `// build.gradle:
//   implementation("dev.langchain4j:langchain4j-open-ai:1.+")
//   implementation("com.arize:openinference-instrumentation-langchain4j:0.+")
//   implementation("io.opentelemetry:opentelemetry-sdk:1.+")
//   implementation("io.opentelemetry:opentelemetry-exporter-otlp:1.+")
import com.arize.instrumentation.langchain4j.LangChain4jInstrumentor;
import dev.langchain4j.model.openai.OpenAiChatModel;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import java.util.List;

public class App {
  public static void main(String[] arguments) {
    var exporter = OtlpHttpSpanExporter.builder()
        .setEndpoint("${origin}/v1/traces")
        .addHeader("x-hinomi-key", "${key}")
        .build();
    var telemetry = OpenTelemetrySdk.builder()
        .setTracerProvider(SdkTracerProvider.builder()
            .addSpanProcessor(BatchSpanProcessor.builder(exporter).build())
            .build())
        .buildAndRegisterGlobal();

    // ${t('setup.comment.listener')}
    var instrumentor = LangChain4jInstrumentor.instrument();
    var model = OpenAiChatModel.builder()
        .apiKey(System.getenv("OPENAI_API_KEY"))
        .modelName("gpt-4o-mini")
        .listeners(List.of(instrumentor.createModelListener()))
        .build();
    System.out.println(model.chat("Capital of France?"));
    telemetry.close();
  }
}`,
      );
    },
  },
  {
    id: 'opentelemetry-dotnet',
    name: '.NET',
    file: 'Program.cs',
    note: 'setup.noteDotnet',
    checks: { begin: 'setup.check.startProgram', flush: 'tracing.ForceFlush();', debug: '.AddConsoleExporter()' },
    code: (dsn, t) => {
      const { origin, headers } = otlpSettings(dsn);
      return highlighted(
        'csharp',
        `// dotnet add package Microsoft.Extensions.AI
// dotnet add package Microsoft.Extensions.AI.OpenAI
// dotnet add package OpenTelemetry.Exporter.OpenTelemetryProtocol
using Microsoft.Extensions.AI;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Trace;

using var tracing = Sdk.CreateTracerProviderBuilder()
    .AddSource("Experimental.Microsoft.Extensions.AI")
    .AddOtlpExporter(options =>
    {
        options.Endpoint = new Uri("${origin}/v1/traces");
        options.Headers = "${headers}";
        options.Protocol = OtlpExportProtocol.HttpProtobuf;
    })
    .Build();
using var client = new OpenAI.Chat.ChatClient("gpt-4o-mini", Environment.GetEnvironmentVariable("OPENAI_API_KEY"))
    .AsIChatClient()
    .AsBuilder()
    .UseOpenTelemetry(configure: telemetry => telemetry.EnableSensitiveData = true) // ${t('setup.comment.prompts')}
    .Build();

Console.WriteLine(await client.GetResponseAsync("Capital of France?"));`,
      );
    },
  },
  {
    id: 'opentelemetry-ruby',
    name: 'Ruby',
    file: 'app.rb',
    note: 'setup.noteRuby',
    checks: {
      begin: 'setup.check.startProgram',
      flush: 'OpenTelemetry.tracer_provider.force_flush',
      debug: 'export OTEL_LOG_LEVEL=debug',
    },
    code: (dsn, t) => {
      const { origin, key } = otlpSettings(dsn);
      return highlighted(
        'ruby',
        `# gem install opentelemetry-sdk opentelemetry-exporter-otlp
require "json"
require "opentelemetry/sdk"
require "opentelemetry/exporter/otlp"

exporter = OpenTelemetry::Exporter::OTLP::Exporter.new(
  endpoint: "${origin}/v1/traces",
  headers: { "x-hinomi-key" => "${key}" }
)
OpenTelemetry::SDK.configure do |config|
  config.add_span_processor(OpenTelemetry::SDK::Trace::Export::BatchSpanProcessor.new(exporter))
end

OpenTelemetry.tracer_provider.tracer("app").in_span("chat gpt-4o-mini", kind: :client) do |span|
  span.set_attribute("gen_ai.operation.name", "chat")
  span.set_attribute("gen_ai.provider.name", "openai")
  span.set_attribute("gen_ai.request.model", "gpt-4o-mini")
  # ${t('setup.comment.callModel')}
  span.set_attribute("gen_ai.usage.input_tokens", 14)
  span.set_attribute("gen_ai.usage.output_tokens", 1)
  # ${t('setup.comment.prompts')}
  question = [{ role: "user", parts: [{ type: "text", content: "Capital of France?" }] }]
  answer = [{ role: "assistant", parts: [{ type: "text", content: "Paris" }] }]
  span.set_attribute("gen_ai.input.messages", question.to_json)
  span.set_attribute("gen_ai.output.messages", answer.to_json)
end
OpenTelemetry.tracer_provider.shutdown`,
      );
    },
  },
  {
    id: 'opentelemetry-php',
    name: 'PHP',
    file: 'app.php',
    note: 'setup.noteManual',
    checks: { begin: 'setup.check.startProgram', flush: '$provider->forceFlush();', debug: 'export OTEL_LOG_LEVEL=debug' },
    code: (dsn, t) => {
      const { origin, key } = otlpSettings(dsn);
      return highlighted(
        'php',
        `<?php // composer require open-telemetry/sdk open-telemetry/exporter-otlp guzzlehttp/guzzle
require 'vendor/autoload.php';

use OpenTelemetry\\Contrib\\Otlp\\{OtlpHttpTransportFactory, SpanExporter};
use OpenTelemetry\\SDK\\Trace\\SpanProcessor\\SimpleSpanProcessor;
use OpenTelemetry\\SDK\\Trace\\TracerProvider;

$transport = (new OtlpHttpTransportFactory())->create(
    '${origin}/v1/traces',
    'application/x-protobuf',
    ['x-hinomi-key' => '${key}'],
);
$provider = new TracerProvider(new SimpleSpanProcessor(new SpanExporter($transport)));

$span = $provider->getTracer('app')->spanBuilder('chat gpt-4o-mini')->startSpan();
// ${t('setup.comment.callModel')}
$span->setAttributes([
${phpCallAttributes(t)}
]);
$span->end();
$provider->shutdown();`,
      );
    },
  },
  {
    id: 'opentelemetry-rust',
    name: 'Rust',
    file: 'main.rs',
    note: 'setup.noteManual',
    checks: { begin: 'setup.check.startProgram', flush: 'provider.force_flush()?;' },
    code: (dsn, t) => {
      const { origin, key } = otlpSettings(dsn);
      return highlighted(
        'rust',
        `// cargo add opentelemetry opentelemetry_sdk opentelemetry-otlp
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::trace::SdkTracerProvider;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint("${origin}/v1/traces")
        .with_headers([("x-hinomi-key".into(), "${key}".into())].into())
        .build()?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();

    let mut span = provider.tracer("app").start("chat gpt-4o-mini");
    // ${t('setup.comment.callModel')}
    span.set_attributes([
        KeyValue::new("gen_ai.operation.name", "chat"),
        KeyValue::new("gen_ai.provider.name", "openai"),
        KeyValue::new("gen_ai.request.model", "gpt-4o-mini"),
        KeyValue::new("gen_ai.usage.input_tokens", 14),
        KeyValue::new("gen_ai.usage.output_tokens", 1),
        // ${t('setup.comment.prompts')}
        KeyValue::new("gen_ai.input.messages", r#"[{"role":"user","parts":[{"type":"text","content":"Capital of France?"}]}]"#),
        KeyValue::new("gen_ai.output.messages", r#"[{"role":"assistant","parts":[{"type":"text","content":"Paris"}]}]"#),
    ]);
    span.end();
    provider.shutdown()?;
    Ok(())
}`,
      );
    },
  },
];
