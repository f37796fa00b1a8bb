"""Registry files that cost or break more than they hold, by what they do."""

from __future__ import annotations

HEAD = """models:
  - name: dcgan.h
    adapter: dcgan
    summary: s
    resolution: 8
    space: z
    dim: 12
    weights: {sources: [{url: toy.pt}]}
    licence: {weights: CC0}
"""


def doubling(levels: int, times: int = 2, join: str = "+") -> str:
    """Regions each of which names the one before it several times."""
    lines = [f"      r{i}: {join.join([f'r{i - 1}'] * times)}\n" for i in range(1, levels + 1)]
    return f"{HEAD}    regions:\n      r0: box:0,0,2,2\n{''.join(lines)}"


def bomb(levels: int, times: int, where: str) -> str:
    """Lists each of which holds an alias of the one before it several times; `where` holds the last one."""
    lines = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * times)}]\n" for i in range(1, levels + 1)]
    return f"l0: &l0 [x, x]\n{''.join(lines)}{HEAD}{where.format(f'*l{levels}')}"


# What each is, and a word of the line that refuses it.
FILES = {
    "an alias bomb in config": (bomb(9, 10, "    config: {{a: {}}}\n"), "alias"),
    "an alias bomb in classes": (bomb(9, 10, "    classes: {}\n"), "alias"),
    "an alias bomb beside the models": (bomb(60, 2, ""), "alias"),
    "an alias as a key": (bomb(9, 10, "    ? {}\n    : x\n"), "alias"),
    "an alias that holds itself": (f"{HEAD}    config: &c {{a: *c}}\n", "alias"),
    "an alias in a merge": (f"x: &x {{a: b}}\n{HEAD}    config: {{<<: *x}}\n", "alias"),
    "a truth value that is none": (f"{HEAD}    x: !!bool maybe\n", "tag"),
    "a number without digits": (f'{HEAD}    x: !!int ""\n', "tag"),
    "a number of 0b_": (f"{HEAD}    x: 0b_\n", "YAML"),
    "a float without digits": (f'{HEAD}    x: !!float ""\n', "tag"),
    "a date that is none": (f"{HEAD}    x: 2001-99-99\n", "YAML: month"),
    "a date before all dates": (f"{HEAD}    x: 0001-01-01T00:00:00+23:59\n", "field x"),
    "a zone that is none": (f"{HEAD}    x: 2001-01-01T00:00:00+99:99\n", "YAML"),
    "a date with a tag": (f"{HEAD}    x: !!timestamp never\n", "tag"),
    "bytes that are none": (f"{HEAD}    x: !!binary ä\n", "tag"),
    "a set": (f"{HEAD}    x: !!set {{a, b}}\n", "tag"),
    "pairs": (f"{HEAD}    x: !!pairs [a]\n", "tag"),
    "a tag of Python": (f"{HEAD}    x: !!python/object/apply:os.system [touch PWNED]\n", "tag"),
    "a tag without a name": (f"{HEAD}    x: ! y\n", "tag"),
    "a hexadecimal number of 2,000 digits": (HEAD.replace("n: 8", f"n: 0x{'f' * 2000}"), "characters"),
    "a decimal number of 5,000 digits": (HEAD.replace("n: 8", f"n: {'9' * 5000}"), "characters"),
    "a binary number of a million digits": (f"{HEAD}    x: 0b{'1' * 10**6}\n", "characters"),
    "a number to the base of 60": (f"{HEAD}    x: 1{':59' * 10**5}\n", "characters"),
    "a float to the base of 60": (f"{HEAD}    x: 1{':59' * 10**5}.5\n", "characters"),
    "a float of a million digits": (f"{HEAD}    x: 1.{'1' * 10**6}\n", "characters"),
    "a number of 30 digits": (HEAD.replace("n: 8", f"n: {'9' * 30}"), "resolution"),
    "60,000 pixels a side": (HEAD.replace("n: 8", "n: 60000"), "resolution"),
    "a code of 10¹² components": (HEAD.replace("dim: 12", "dim: 1000000000000"), "dim"),
    "a billion layers": (f"{HEAD}    layers: 1000000000\n", "layers"),
    "a million classes": (f"{HEAD}    classes: [{'a,' * 10**6}a]\n", "values"),
    "a hundred thousand keys": (f"{HEAD}    config: {{{', '.join(f'a{i}: 1' for i in range(10**5))}}}\n", "values"),
    "a text of 5 MB": (f"{HEAD}    dataset: {'a' * (5 * 2**20)}\n", "4,194,304 bytes"),
    "deep lists": (f"{HEAD}    config: {{a: {'[' * 900}{']' * 900}}}\n", "deep"),
    "very deep lists": (f"{HEAD}    config: {{a: {'[' * 10**5}}}\n", "deep|nest"),
    "deep blocks": (f"{HEAD}    config:\n      {'- ' * 500}a\n", "deep"),
    "a key that is a list": (f"{HEAD}    ? [a, b]\n    : c\n", "YAML"),
    "a directive of a tag": ("%TAG ! tag:yaml.org,2002:\n---\n" + f"{HEAD}    x: !bool maybe\n", "tag"),
    "two documents": (f"{HEAD}---\n{HEAD}", "YAML"),
    "a NUL": (f"{HEAD}    x: \0\n", "YAML"),
    "a lone surrogate": (f'{HEAD}    dataset: "\\ud800"\n', "card|YAML"),
    "no models": ("models: 8\n", "models"),
    "nothing": ("", "models"),
}

# Regions, of which `r0`, or the last, is asked for.
REGIONS = {
    "doubling": doubling(40),
    "tenfold": doubling(40, 10),
    "doubling a few times": doubling(15),
    "of many terms": doubling(1, 5000),
    "a long chain": doubling(300, 1),
    "a chain of complements": doubling(40, 2, "+not:"),
    "by itself": f"{HEAD}    regions: {{r0: r1, r1: r0+r0}}\n",
    "complements of complements": f"{HEAD}    regions: {{r0: '{'not:' * 900}all'}}\n",
    "ten thousand complements": f"{HEAD}    regions: {{r0: '{'not:' * 10**4}all'}}\n",
    "spaces": f"{HEAD}    regions: {{r0: 'box:0,0{' ' * 10**6}1'}}\n",
}
