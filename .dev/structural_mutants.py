"""Makes the mutants of tests/model/structural.txt, one after the other, and runs the model of each, which has to fail.

Takes the build tree, whose models are built, and names of models; none means all. Writes a table, a mutant a line.
"""

import json
import pathlib
import shlex
import subprocess
import sys
import threading

LIST = pathlib.Path("tests/model/structural.txt")
SECONDS = 20


def mutants():
    for paragraph in LIST.read_text().split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        if lines[0].startswith("#"):
            continue
        model, file, what = lines[0].split(" ", 2)
        dashes = lines.index("--")
        yield model, pathlib.Path(file), what, "\n".join(lines[1:dashes]), "\n".join(lines[dashes + 1 :])


def compile_command(tree, source, patched, made, first_include):
    """Returns how to compile a model's source, with `patched` in its place and `first_include` looked at before all others;
    and the object that this stands in for."""
    for entry in json.loads((tree / "compile_commands.json").read_text()):
        if "model-" in entry["output"] and (tree / entry["file"]).resolve() == source.resolve():
            words = shlex.split(entry["command"])
            words[words.index("-o") + 1] = str(made)
            words[words.index(entry["file"])] = str(patched)
            at = next(i for i, word in enumerate(words) if word.startswith("-I"))
            return [*words[:at], f"-I{first_include}", *words[at:], "-w"], entry["output"]
    sys.exit(f"structural_mutants: {tree} does not compile {source} for the models; build them first")


def run_mutant(tree, work, model, file, before, after):
    text = file.read_text()
    if text.count(before) != 1:
        sys.exit(f"{LIST}: these lines stand in {file} {text.count(before)} times, and have to once:\n{before}")
    work.mkdir(parents=True, exist_ok=True)
    is_header = file.suffix == ".hpp"
    inside = file.relative_to(file.parents[-2] / "include") if "include" in file.parts else pathlib.Path(file.name)
    patched = work / inside
    patched.parent.mkdir(parents=True, exist_ok=True)
    patched.write_text(text.replace(before, after))
    test = pathlib.Path(f"tests/model/{model}_test.cpp")
    made = work / "mutant.o"
    source = test if is_header else file
    command, original = compile_command(tree, source, test.resolve() if is_header else patched, made, work if is_header else file.parent.resolve())
    subprocess.run(command, cwd=tree, check=True)
    commands = subprocess.run(["ninja", "-C", tree, "--quiet", "-t", "commands", f"tests/model/model-{model}"], check=True, capture_output=True, text=True)
    link = shlex.split(commands.stdout.strip().split("\n")[-1])
    program = work / "program"
    link[link.index("-o") + 1] = str(program)
    if original in link:
        link[link.index(original)] = str(made)
    else:  # in a library, which is asked for what is missing only
        link.insert(link.index("-o"), str(made))
    subprocess.run(link, cwd=tree, check=True)
    running = subprocess.Popen([program, "--minimal", "--test-case-exclude=mutants*"], cwd=tree, stdout=subprocess.PIPE, text=True, errors="replace")
    in_time = threading.Timer(SECONDS, running.kill)
    in_time.start()
    with running:
        has_failed = any(", then it failed:" in line for line in running.stdout)
        has_crashed = not has_failed and running.wait() < 0 and in_time.is_alive()
        in_time.cancel()
        running.kill()
    return has_failed or has_crashed


def main():
    tree = pathlib.Path(sys.argv[1])
    unexplained = 0
    for number, (model, file, what, before, after) in enumerate(mutants()):
        if sys.argv[2:] and model not in sys.argv[2:]:
            continue
        is_killed = run_mutant(tree, (tree / "structural" / str(number)).resolve(), model, file, before, after)
        unexplained += not is_killed
        print(f"{model:<16} {str(file):<52} {what}: {'killed' if is_killed else 'survives: unexplained'}", flush=True)
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
