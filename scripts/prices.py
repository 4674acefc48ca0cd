#!/usr/bin/env python3
"""Makes crates/model/data/prices.json out of the genai-prices package (MIT).

    scripts/prices.py              write the table and the licence beside it
    scripts/prices.py --check      write nothing, fail if the files differ from what would be written
    scripts/prices.py --compare    also compare list prices with the model-prices package and print the differences

Needs Python 3.11, pip, pydantic and cargo (a minute where the program is compiled already): what the data means is said once, in crates/model/src/price/import.rs, and what
clients call providers in crates/model/data/providers.json. Both packages are pinned by version and by the hash of their wheel; they are
read, not installed.
"""

import argparse
import datetime
import hashlib
import importlib
import json
import os
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
ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "crates/model/data"
# Compiled code lies where the Makefile has it, so that nothing is compiled twice.
TARGET = os.environ.get("CARGO_TARGET_DIR", str(pathlib.Path.home() / ".cache/hinomi/target"))
# Seconds that each step may take: a package to come, the program to be compiled from nothing.
LONGEST_DOWNLOAD, LONGEST_BUILD = 120, 3600


def run(command, limit, **options):
    """Runs a program, and says so where it fails or takes too long."""
    try:
        return subprocess.run(command, check=True, timeout=limit, **options)
    except subprocess.TimeoutExpired:
        sys.exit(f"gave up after {limit} s: {' '.join(map(str, command))}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"exit status {error.returncode}: {' '.join(map(str, command))}\n{error.stderr or ''}")


def wheel(package, folder):
    """Downloads the pinned wheel, checks its hash, unpacks it; returns the folder."""
    name, version, sha256 = package
    run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
         "--timeout", "20", "--retries", "2", "--dest", folder, f"{name}=={version}"], LONGEST_DOWNLOAD)
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


def price(source):
    def rate(value):
        if hasattr(value, "tiers"):
            return {"base": number(value.base), "tiers": [{"start": tier.start, "price": number(tier.price)} for tier in value.tiers]}
        return number(value)

    return {key: rate(value) for key, value in source.__dict__.items() if value is not None}


def priced(source):
    """A price with the condition under which it holds."""
    made = {"prices": price(source.prices)}
    condition = source.constraint
    if hasattr(condition, "start_date"):
        made["constraint"] = {"start_date": condition.start_date.isoformat()}
    elif condition is not None:
        assert all(t.utcoffset() in (None, datetime.timedelta(0)) for t in (condition.start_time, condition.end_time))
        made["constraint"] = {"start_time": condition.start_time.isoformat(), "end_time": condition.end_time.isoformat()}
    return made


def clause(source):
    """A rule about names, as the package's own JSON has it."""
    for several in ("or", "and"):
        if hasattr(source, f"{several}_"):
            return {several: [clause(part) for part in getattr(source, f"{several}_")]}
    (kind,) = [kind for kind in ("equals", "starts_with", "ends_with", "contains", "regex") if hasattr(source, kind)]
    return {kind: getattr(source, kind)}


def model(source):
    dated = isinstance(source.prices, list)
    made = {"id": source.id, "match": clause(source.match), "prices": [priced(one) for one in source.prices] if dated else price(source.prices)}
    if source.price_variants:
        made["price_variants"] = [{"when": variant.when, **priced(variant)} for variant in source.price_variants]
    return made


def data(folder):
    """The package's data in the form of its own JSON, which the wheel does not have."""
    for name in ("httpx", "httpx2"):
        sys.modules[name] = Stub(name)
    sys.path.insert(0, str(folder))
    providers = importlib.import_module("genai_prices.data").providers
    known = json.loads((DATA / "providers.json").read_text())
    names = {name for provider in known["providers"] for name in provider["names"]} | set(known["not_providers"])
    new = [provider.id for provider in providers if re.sub("[^a-z0-9]+", "-", provider.id.lower()) not in names]
    if new:
        sys.exit(f"providers to name in providers.json: {', '.join(new)}")
    return [{"id": p.id, "fallback_model_providers": p.fallback_model_providers or [], "models": [model(m) for m in p.models]} for p in providers]


def table(folder, temp):
    """The table, as `hinomi prices update` would make it, with where it is from."""
    path = pathlib.Path(temp) / "data.json"
    path.write_text(json.dumps(data(folder)))
    # The whole workspace is asked for, as everywhere: a package by itself has other features, and all below it would be compiled again.
    command = ["cargo", "run", "--quiet", "--profile", "quick", "--locked", "--example", "import_prices", "--", path, SOURCE_DATE]
    made = run(command, LONGEST_BUILD, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "CARGO_TARGET_DIR": TARGET})
    text = made.stdout
    source = f'"source":"{SOURCE[0]} {SOURCE[1]}",\n"sha256":"{SOURCE[2]}",\n"unit":"US dollars for a million tokens; request, search and image: for a thousand",'
    return text.replace('"source":"genai-prices",', source)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the files would change")
    parser.add_argument("--compare", action="store_true", help="print differences from the model-prices package")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        folder = wheel(SOURCE, temp)
        made = table(folder, temp)
        (licence,) = folder.glob("*.dist-info/licenses/LICENSE")
        notice = f"prices.json is made from {SOURCE[0]} {SOURCE[1]} (https://github.com/pydantic/genai-prices), under this licence:\n\n" + licence.read_text()
        if options.compare:
            from prices_compare import compare
            compare(wheel(COMPARED, temp), json.loads(made)["providers"], SOURCE_DATE)
        files = {DATA / "PRICES-LICENSE": notice, DATA / "prices.json": made}
    if options.check:
        stale = [path.name for path, text in files.items() if not path.exists() or path.read_text() != text]
        sys.exit(f"would change: {', '.join(stale)}" if stale else 0)
    for path, text in files.items():
        path.write_text(text)
    print(f"{sum(len(text.encode()) for text in files.values()):,} bytes, as of {SOURCE_DATE}")


if __name__ == "__main__":
    main()
