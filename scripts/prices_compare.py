"""Compares the list prices of two sources; a part of `prices.py --compare`."""

import json

# Their provider, ours.
PROVIDERS = {
    "amazon-bedrock": "aws.bedrock", "anthropic": "anthropic", "cohere": "cohere", "deepseek": "deepseek", "google": "google", "groq": "groq",
    "mistral": "mistral", "moonshotai": "moonshot_ai", "openai": "openai", "perplexity": "perplexity", "xai": "x_ai", "zai": "zai",
}
KEYS = {"input": "in", "output": "out", "cache_read": "read", "cache_write": "write"}


def base(value):
    return value[0] if isinstance(value, list) else value


def compare(folder, providers, day):
    """Prints each model whose list price on a day differs, for names that both have."""
    theirs = json.loads((folder / "model_prices/snapshot.json").read_text())["prices"]
    same = different = 0
    for name, models in theirs.items():
        ours = next((p for p in providers if p["id"] == PROVIDERS.get(name)), None)
        if ours is None:
            continue
        known = {spelling: m for m in ours["models"] for spelling in m.get("is", [m["id"].lower()])}
        for model, prices in sorted(models.items()):
            entry, standard = known.get(model.lower()), prices.get("standard")
            rates = standard[-1]["rates"] if standard else None
            if entry is None or not rates:
                continue
            newest = [p for p in entry["prices"] if "hours" not in p and p.get("from", "") <= day][-1]
            pairs = {key: (base(newest.get(our)), rates.get(key)) for key, our in KEYS.items()}
            # A price that one side does not have is not a contradiction.
            wrong = {key: pair for key, pair in pairs.items() if None not in pair and abs(pair[0] - pair[1]) > 1e-9}
            same, different = same + (not wrong), different + bool(wrong)
            for key, (our, their) in wrong.items():
                print(f"{ours['id']}:{model} {key}: {our} here, {their} there ({rates.get('source', 'no source')})")
    print(f"{same} models agree, {different} differ")
