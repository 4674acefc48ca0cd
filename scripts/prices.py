#!/usr/bin/env python3
"""Makes crates/model/data/prices.json out of the genai-prices package (MIT).

    scripts/prices.py              write the table and the licence beside it
    scripts/prices.py --check      write nothing, fail if the files differ from what would be written
    scripts/prices.py --compare    also compare list prices with the model-prices package and print the differences

Needs Python 3.11, pip and pydantic. Both packages are pinned by version and by the hash of their wheel; they are read, not installed.
"""

import argparse
import datetime
import hashlib
import importlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import types
import zipfile

# The date is that of the newest price in force that the package has: it does not state when it was made.
SOURCE_DATE = "2026-11-09"
SOURCE = ("genai-prices", "0.2.3", "56976ce2b04ec206117f7d0e53f4849211a6724ab3a12119afec304eba63ee25")
COMPARED = ("model-prices", "0.0.5", "dd134760da4798fdac4b2c1ba050028871f95ed04b90343b09e8d920d0a9bad9")
DATA = pathlib.Path(__file__).resolve().parent.parent / "crates/model/data"

# Our name, theirs, other exact spellings, words that decide when they stand anywhere in a spelling (`azure.ai.openai`). Spellings are
# compared in lower case with anything but letters and digits read as `-`. The order decides between words: who runs the model
# comes before who made it. The flag says that the provider sells models of its own, so that a bare model name may mean it.
VENDOR, RESELLER = True, False
PROVIDERS = [
    ("azure", "azure", RESELLER, [], ["azure", "az-ai"]),
    ("aws.bedrock", "aws", RESELLER, ["aws", "amazon"], ["bedrock", "amazonaws", "sagemaker", "amazon"]),
    ("databricks", "databricks", RESELLER, [], ["databricks"]),
    ("cloudflare", "cloudflare", RESELLER, ["workers-ai"], ["cloudflare"]),
    ("huggingface.cerebras", "huggingface_cerebras", RESELLER, [], []),
    ("huggingface.fireworks", "huggingface_fireworks-ai", RESELLER, ["huggingface-fireworks-ai"], []),
    ("huggingface.groq", "huggingface_groq", RESELLER, [], []),
    ("huggingface.hyperbolic", "huggingface_hyperbolic", RESELLER, [], []),
    ("huggingface.nebius", "huggingface_nebius", RESELLER, [], []),
    ("huggingface.novita", "huggingface_novita", RESELLER, [], []),
    ("huggingface.nscale", "huggingface_nscale", RESELLER, [], []),
    ("huggingface.ovhcloud", "huggingface_ovhcloud", RESELLER, [], []),
    ("huggingface.publicai", "huggingface_publicai", RESELLER, [], []),
    ("huggingface.sambanova", "huggingface_sambanova", RESELLER, [], []),
    ("huggingface.together", "huggingface_together", RESELLER, [], []),
    ("huggingface", None, RESELLER, ["hf", "huggingface-hub"], ["huggingface"]),
    ("openrouter", "openrouter", RESELLER, [], ["openrouter"]),
    ("github-copilot", "github-copilot", RESELLER, ["copilot"], ["github-copilot"]),
    ("google", "google", VENDOR, ["gcp", "google-genai", "palm", "gemini"],
     ["google", "googleapis", "vertexai", "vertex", "gemini", "gcp"]),
    ("groq", "groq", RESELLER, [], ["groq"]),
    ("cerebras", "cerebras", RESELLER, [], ["cerebras"]),
    ("together", "together", RESELLER, ["together-ai", "togetherai"], ["together-xyz", "together-ai"]),
    ("fireworks", "fireworks", RESELLER, ["fireworks-ai"], ["fireworks"]),
    ("baseten", "baseten", RESELLER, [], ["baseten"]),
    ("novita", "novita", RESELLER, ["novita-ai"], ["novita"]),
    ("avian", "avian", RESELLER, [], []),
    ("doubleword", "doubleword", RESELLER, [], []),
    ("modal", "modal", RESELLER, [], []),
    ("ovhcloud", "ovhcloud", RESELLER, ["ovh"], ["ovhcloud"]),
    ("quicksilverpro", "quicksilverpro", RESELLER, [], []),
    ("cursor", "cursor", RESELLER, [], []),
    ("arcee", "arcee", RESELLER, ["arcee-ai"], ["arcee"]),
    # Models run at home or on a platform billed by the hour: known not to have a price for a token.
    ("ollama", None, RESELLER, ["ollama-chat"], ["ollama"]),
    ("vllm", None, RESELLER, ["hosted-vllm"], ["vllm"]),
    ("lmstudio", None, RESELLER, ["lm-studio"], ["lmstudio"]),
    ("llama.cpp", None, RESELLER, ["llamacpp", "llamafile"], []),
    ("ibm.watsonx.ai", None, RESELLER, ["ibm", "watsonx"], ["watsonx"]),
    ("replicate", None, RESELLER, [], []),
    # Vendors. Those whose lists hold only their own models come before Mistral and Perplexity, who resell some of theirs.
    ("anthropic", "anthropic", VENDOR, ["claude"], ["anthropic"]),
    ("openai", "openai", VENDOR, ["oai"], ["openai"]),
    ("deepseek", "deepseek", VENDOR, [], ["deepseek"]),
    ("x_ai", "x-ai", VENDOR, ["xai", "grok"], ["x-ai", "xai"]),
    ("moonshot_ai", "moonshotai", VENDOR, ["moonshotai", "moonshot"], ["moonshot"]),
    ("zai", "zai", VENDOR, ["z-ai", "zai-org"], ["z-ai"]),
    ("zhipu", "zhipuai", VENDOR, ["zhipuai", "zhipu-ai", "bigmodel"], ["zhipuai"]),
    ("minimax", "minimax", VENDOR, [], ["minimax"]),
    ("cohere", "cohere", VENDOR, ["cohere-ai"], ["cohere"]),
    ("voyage", "voyageai", VENDOR, ["voyage-ai", "voyageai"], ["voyageai"]),
    ("meta", "meta", VENDOR, [], []),
    ("elevenlabs", "elevenlabs", VENDOR, [], ["elevenlabs"]),
    ("typesafe", "typesafe", VENDOR, [], ["typesafe"]),
    ("mistral", "mistral", VENDOR, ["mistralai", "mistral-ai"], ["mistral", "mistralai"]),
    ("perplexity", "perplexity", VENDOR, ["perplexity-ai", "pplx"], ["perplexity"]),
]
# A list of a special API, not a provider.
IGNORED_PROVIDERS = {"openai-decisions"}

# Their name of a price, ours. Ours on the left of the second group are per million tokens and belong to a bucket of usage; the first
# group is in other units (a thousand requests, a thousand searches) or for what usage does not tell apart (pictures).
KEYS = {
    "requests_kcount": "request", "web_searches_kcount": "search", "input_image_mtok": "image_in", "output_image_mtok": "image_out",
    "input_mtok": "in", "output_mtok": "out", "cache_read_mtok": "read", "cache_write_mtok": "write", "cache_write_5m_mtok": "write_5m",
    "cache_write_1h_mtok": "write_1h", "input_audio_mtok": "audio_in", "output_audio_mtok": "audio_out", "output_reasoning_mtok": "reasoning",
}
TOKEN_KEYS = {"in", "out", "read", "write", "write_5m", "write_1h", "audio_in", "audio_out", "reasoning", "request"}


def wheel(package, folder):
    """Downloads the pinned wheel, checks its hash, unpacks it; returns the folder."""
    name, version, sha256 = package
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
                    "--dest", folder, f"{name}=={version}"], check=True)
    (path,) = pathlib.Path(folder).glob(f"{name.replace('-', '_')}-{version}-*.whl")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        sys.exit(f"{path.name}: sha256 is {found}, should be {sha256}. Nothing was written.")
    target = pathlib.Path(folder) / name
    with zipfile.ZipFile(path) as archive:
        archive.extractall(target)
    return target


class Stub(types.ModuleType):
    """Stands for the HTTP client that the package imports for its updates."""

    def __getattr__(self, name):
        return type(name, (), {})


def number(value):
    """A price in dollars as a JSON number, to 12 decimals, which is the precision of money in the model."""
    value = round(value, 12)
    return int(value) if value == int(value) else float(value)


def rate(value):
    """A price, or [base, [from, price], ...] where the size of the input decides."""
    if hasattr(value, "tiers"):
        return [number(value.base)] + [[tier.start, number(tier.price)] for tier in value.tiers]
    return number(value)


def prices(source):
    found = {KEYS[key]: rate(value) for key, value in source.__dict__.items() if value is not None and key in KEYS}
    # A price in other units alone (an hour of sound, a page) cannot price tokens: the entry is empty for us.
    return found if TOKEN_KEYS & found.keys() else {}


def constraint(source):
    if source is None:
        return {}
    if hasattr(source, "start_date"):
        return {"from": source.start_date.isoformat()}
    assert all(t.utcoffset() in (None, datetime.timedelta(0)) for t in (source.start_time, source.end_time))
    return {"hours": [source.start_time.strftime("%H:%M"), source.end_time.strftime("%H:%M")]}


def clauses(source):
    """Names that are equal, and other rules, of which one must hold."""
    kind = type(source).__name__
    if kind == "ClauseEquals":
        return [source.equals.lower()], []
    if kind == "ClauseOr":
        parts = [clauses(part) for part in source.or_]
        return [name for names, _ in parts for name in names], [rule for _, rules in parts for rule in rules]
    if kind == "ClauseStartsWith":
        return [], [{"starts": source.starts_with.lower()}]
    if kind == "ClauseEndsWith":
        return [], [{"ends": source.ends_with.lower()}]
    if kind == "ClauseContains":
        return [], [{"has": source.contains.lower()}]
    if kind == "ClauseRegex":
        # The regex engine of the model has no look-ahead; the only use of it is to exclude a word.
        excluded = re.fullmatch(r"\^\(\?!\.\*(.+)\)", source.regex)
        return [], [{"no_regex": excluded[1]} if excluded else {"regex": source.regex}]
    if kind == "ClauseAnd":
        rules = []
        for part in source.and_:
            names, more = clauses(part)
            assert not names and len(more) == 1, source
            rules += more
        return [], [{"all": rules}]
    sys.exit(f"unknown rule {source!r}")


def model(provider, source):
    names, rules = clauses(source.match)
    if provider == "openai":
        # OpenAI does not sell its open weights: who reports them with `openai` runs another server behind the same protocol.
        if source.id.startswith("gpt-oss"):
            return None
        # A fine-tune has a price of its own or none, never that of its base model.
        if not source.id.startswith("ft:"):
            rules = [rule for rule in rules if not rule.get("starts", "").startswith("ft:")]
    names = list(dict.fromkeys(names))
    entry = {"id": source.id}
    if names != [source.id.lower()] or rules:
        entry["is"] = names
    if rules:
        entry["like"] = rules
    if isinstance(source.prices, list):
        # A later entry that repeats the one before it says nothing (their second may differ in what we do not price).
        dated = []
        for condition in source.prices:
            made = {**constraint(condition.constraint), **prices(condition.prices)}
            if dated and "hours" not in made and {k: v for k, v in made.items() if k != "from"} == {
                    k: v for k, v in dated[-1].items() if k != "from"}:
                continue
            dated.append(made)
        entry["prices"] = dated
    else:
        entry["prices"] = [prices(source.prices)]
    variants = []
    for variant in source.price_variants or []:
        (key, value), = variant.when.items()
        if key not in ("processing", "service_tier", "speed"):
            continue
        made = prices(variant.prices)
        if made:
            variants.append({"tier": value, **constraint(variant.constraint), **made})
    if variants:
        entry["variants"] = variants
    return entry


def provider(ours, theirs, vendor, names, words, sources):
    entry = {"id": ours}
    spelled = [ours, *([theirs] if theirs else []), *names]
    entry["names"] = list(dict.fromkeys(re.sub("[^a-z0-9]+", "-", name.lower()) for name in spelled))
    if words:
        entry["words"] = words
    if vendor:
        entry["vendor"] = True
    if theirs:
        source = sources[theirs]
        canonical = {p[1]: p[0] for p in PROVIDERS if p[1]}
        if source.fallback_model_providers:
            entry["resells"] = [canonical[name] for name in source.fallback_model_providers]
        entry["models"] = [made for made in (model(ours, m) for m in source.models) if made]
    return entry


def table(folder):
    for name in ("httpx", "httpx2"):
        sys.modules[name] = Stub(name)
    sys.path.insert(0, str(folder))
    sources = {p.id: p for p in importlib.import_module("genai_prices.data").providers}
    named = {p[1] for p in PROVIDERS if p[1]} | IGNORED_PROVIDERS
    if named != sources.keys():
        sys.exit(f"providers to name here: {sorted(sources.keys() - named)}, gone: {sorted(named - sources.keys())}")
    head = {
        "source": f"{SOURCE[0]} {SOURCE[1]}",
        "sha256": SOURCE[2],
        "licence": "MIT, see PRICES-LICENSE",
        "date": SOURCE_DATE,
        "unit": "US dollars for a million tokens; request and search: for a thousand",
    }
    made = [provider(*p, sources) for p in PROVIDERS]
    return head, made


def dump(head, providers):
    """One model on a line, so that the difference between two versions can be read."""
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    out = ["{"] + [f"{json.dumps(k)}:{json.dumps(v, **compact)}," for k, v in head.items()] + ['"providers":[']
    for i, entry in enumerate(providers):
        models = entry.pop("models", [])
        first = json.dumps(entry, **compact)[:-1]
        comma = "," if i < len(providers) - 1 else ""
        if not models:
            out.append(f"{first}}}{comma}")
            continue
        out.append(f'{first},"models":[')
        out += [json.dumps(m, **compact) + ("," if j < len(models) - 1 else "") for j, m in enumerate(models)]
        out.append(f"]}}{comma}")
    return "\n".join(out + ["]}"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the files would change")
    parser.add_argument("--compare", action="store_true", help="print differences from the model-prices package")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        folder = wheel(SOURCE, temp)
        head, providers = table(folder)
        (licence,) = folder.glob("*.dist-info/licenses/LICENSE")
        notice = f"prices.json is made from {head['source']} (https://github.com/pydantic/genai-prices), under this licence:\n\n" + licence.read_text()
        if options.compare:
            from prices_compare import compare
            compare(wheel(COMPARED, temp), providers, SOURCE_DATE)
        files = {DATA / "PRICES-LICENSE": notice, DATA / "prices.json": dump(head, providers)}
    if options.check:
        stale = [path.name for path, text in files.items() if not path.exists() or path.read_text() != text]
        sys.exit(f"would change: {', '.join(stale)}" if stale else 0)
    for path, text in files.items():
        path.write_text(text)
    print(f"{sum(len(text.encode()) for text in files.values()):,} bytes, {sum(1 for _ in providers)} providers, as of {head['date']}")


if __name__ == "__main__":
    main()
