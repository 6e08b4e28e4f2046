"""How numbers of things are said."""


def plural(number: int, noun: str) -> str:
    """`1 check`, `2 checks`, `no check`: for nouns whose plural takes an s or, after an s, `es`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}" if number else f"no {noun}"
