"""Checks the documents: each link leads somewhere, and each C, C++ or Python example is part of a file that a test builds or runs.

An example is a fenced block marked ```c, ```cpp or ```python. Its lines must stand together, in this order, in one file under
docs/examples or tests (indentation as a whole may differ). One that is marked ```cpp from=docs/examples/a.cpp#name is
exactly what stands there between the lines // [name] and // [end]. A block that shows a shape rather than a program is
marked ```cpp fragment, and is not looked for. The programs of the Python tutorial are run from where they stand.

What the library says when it stops a program or refuses a call stands in docs/reference/errors.md.
"""

import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN_AS_THEY_STAND = ROOT / "docs/tutorial/python"  # by tests/python/test_tutorial.py
FENCE = re.compile(r"^(?P<indent> *)(?P<mark>`{3,}|~{3,})(?P<info>[^`\n]*)$")
LINK = re.compile(r"(?<!\!)\[[^\]\n]+\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|\!\[[^\]\n]*\]\(<?([^)\s>]+)>?\)")
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$")


def documents():
    for folder in (".", "docs", "base", "tasklet", "scheduler", "channel", "net", "loadtest", "interpreter_bindings", "tests", "bench"):
        found = (ROOT / folder).glob("*.md") if folder == "." else (ROOT / folder).rglob("*.md")
        yield from sorted(found)


def split(text):
    """Splits a document into its prose, as (line number, line), and its fenced blocks, as (line number, info, text)."""
    prose, blocks, block = [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if block is not None:
            if fence and fence["mark"].startswith(block[3]) and not fence["info"].strip():
                blocks.append(block[:2] + (textwrap.dedent("\n".join(block[2])),))
                block = None
            else:
                block[2].append(line)
        elif fence:
            block = (number, fence["info"].strip(), [], fence["mark"])
        else:
            prose.append((number, line))
    return prose, blocks


def anchors(text):
    """The anchors that a reader's browser knows in a document, by GitHub's rule."""
    names = set()
    for _, line in split(text)[0]:
        if heading := HEADING.match(line):
            name = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()).replace(" ", "-")
            count = sum(1 for known in names if known == name or re.fullmatch(re.escape(name) + r"-\d+", known))
            names.add(f"{name}-{count}" if count else name)
    return names


def broken_links(path, prose):
    for number, line in prose:
        for target in (a or b for a, b in LINK.findall(re.sub(r"`[^`]*`", "", line))):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue  # elsewhere in the world: not ours to fetch
            file, _, anchor = target.partition("#")
            place = (path.parent / file).resolve() if file else path
            if not place.exists() or not place.is_relative_to(ROOT):
                yield number, f"the link to {target} leads nowhere"
            elif anchor and place.suffix == ".md" and anchor not in anchors(place.read_text()):
                yield number, f"{file or 'this document'} has no heading '#{anchor}'"


def marks_of_a_merge(text):
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"(<{7}|>{7}) ", line):
            yield number, "a merge has left a mark here"


def lines_of(text):
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def is_part_of(block, file):
    """True when the block's lines stand together in the file, at any indentation that is the same for all of them."""
    wanted, there = lines_of(block), lines_of(file)
    for start in range(len(there) - len(wanted) + 1):
        window = textwrap.dedent("\n".join(there[start : start + len(wanted)])).split("\n")
        if window == wanted:
            return True
    return False


def region(origin):
    """The lines of "file#name", None when there are none."""
    file, _, name = origin.partition("#")
    place = ROOT / file
    found = place.is_file() and re.search(rf"^ *// \[{re.escape(name)}\]\n(.*?)^ *// \[end\]$", place.read_text(), re.M | re.S)
    return textwrap.dedent(found[1]) if found else None


def tested_files(suffix):
    """The files of a language that a test run builds or runs: tests, and the examples that some test or build file names."""
    named = "\n".join(
        file.read_text()
        for pattern in ("docs/examples/meson.build", "docs/examples/*.sh", "tests/**/meson.build", "tests/**/*.py", "tests/**/*.sh")
        for file in ROOT.glob(pattern)
    )
    for file in sorted(ROOT.glob(f"docs/examples/**/*{suffix}")):
        if re.search(rf"\b{re.escape(file.stem)}\b", named) or "docs/examples" in named and f"*{suffix}" in named:
            yield file
    yield from sorted(ROOT.glob(f"tests/**/*{suffix}"))


def sentences():
    """What the sources give to base::fatal and misuse: file, line and a phrase that nothing computed stands in.

    The phrase is the first text of 16 letters or more, up to where its next clause begins.
    """
    for file in sorted(ROOT.glob("*/src/**/*.[ch]pp")) + sorted(ROOT.glob("*/include/**/*.hpp")):
        source = re.sub(r"^ *//.*", "", file.read_text(), flags=re.M)
        for call in re.finditer(r"\b(?:fatal|throw misuse)\((?:[^;]|;(?=[^\n]))*?\);", source):
            texts = re.findall(r'"((?:[^"\\\n]|\\.)*)"', re.sub(r'"\s*\n\s*"', "", call[0]))
            phrase = next((text for text in texts if len(text) >= 16), None)
            if phrase is not None:
                phrase = re.sub(r"^(.{24,}?)[;:,(].*", r"\1", phrase.replace('\\"', '"')).strip(" :")
                yield file.relative_to(ROOT), source.count("\n", 0, call.start()) + 1, phrase


def unexplained_sentences():
    """The sentences that errors.md does not quote."""
    known = " ".join((ROOT / "docs/reference/errors.md").read_text().split())
    for file, line, phrase in sentences():
        if phrase not in known:
            yield f"says nothing about '{phrase}' ({file}:{line})"


def main():
    suffixes = {"c": ".c", "cpp": ".cpp", "c++": ".cpp", "python": ".py", "py": ".py"}
    tested = {suffix: [file.read_text() for file in tested_files(suffix)] for suffix in set(suffixes.values())}
    complaints = examples = links = 0
    for path in documents():
        prose, blocks = split(path.read_text())
        found = [*broken_links(path, prose), *marks_of_a_merge(path.read_text())]
        links += sum(len(LINK.findall(line)) for _, line in prose)
        for number, info, text in blocks:
            language, *words = info.split() or [""]
            if language not in suffixes or "fragment" in words:
                continue
            examples += 1
            if path.parent == RUN_AS_THEY_STAND:
                continue
            origin = next((word[5:] for word in words if word.startswith("from=")), None)
            if origin is not None:
                if text.rstrip() != (region(origin) or "").rstrip():
                    found.append((number, f"this example is not what stands in {origin}"))
            elif not any(is_part_of(text, file) for file in tested[suffixes[language]]):
                found.append((number, f"this {language} example is no part of a tested {suffixes[language]} file"))
        for number, complaint in found:
            complaints += 1
            print(f"{path.relative_to(ROOT)}:{number}: {complaint}", file=sys.stderr)
    for complaint in unexplained_sentences():
        complaints += 1
        print(f"docs/reference/errors.md: {complaint}", file=sys.stderr)
    print(f"{links} links and {examples} examples checked, {complaints} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
