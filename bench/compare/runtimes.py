"""How the sources of a workload become programs, and what they are made with."""

import dataclasses
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "build" / "compare"

TOKIO = """[package]
name = "compare"
version = "0.0.0"
edition = "2024"

[dependencies]
flume = "0.12"
libc = "0.2"
tokio = {{ version = "1", features = ["io-util", "net", "rt-multi-thread", "sync", "time"] }}
tokio-util = {{ version = "0.7", features = ["rt"] }}

[profile.release]
opt-level = 3
lto = "fat"
codegen-units = 1

{programs}"""


class Missing(Exception):
    """A runtime that is not there; says why."""


@dataclasses.dataclass(frozen=True)
class Program:
    """What is run: a command with {threads} in it, to which THREADS and VARIANT are added, and what it is made of."""

    command: tuple
    parts: tuple  # the files that it consists of
    environment: tuple = ()

    def line(self, threads, variant):
        return [str(word).replace("{threads}", str(threads)) for word in self.command] + [str(threads), variant]

    def fingerprint(self):
        """Returns another text when the program has changed."""
        digest = hashlib.sha256(repr(self.command).encode())
        for part in self.parts:
            digest.update(pathlib.Path(part).read_bytes())
        return digest.hexdigest()[:16]


def run(*command, **more):
    print("+ " + " ".join(map(str, command)), file=sys.stderr)
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode != 0:
        raise Missing(f"{command[0]} failed: {done.stdout.strip()[-500:]}")
    return done.stdout


def found(name):
    path = shutil.which(name)
    if not path:
        raise Missing(f"{name} is not installed")
    return path


def folder_for(language, workload):
    folder = OUT / language / workload
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def from_meson(build, sources):
    """What meson has compiled already; what it could not, for want of a library, is not there."""
    programs = {}
    for source in sources:
        path = build / "bench" / f"compare-{source.parent.name}-{source.stem}"
        if path.exists():
            programs[source.parent.name] = Program((path,), (path,))
    if not programs:
        raise Missing("its programs were not built; meson says whether a library is missing")
    return programs


def from_go(build, sources):
    """Compiles without modules and without a network; go wants all files of a program in one folder."""
    go = found("go")
    offline = os.environ | {"GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": ""}
    programs = {}
    for source in sources:
        folder = folder_for("go", source.parent.name)
        files = [shutil.copy(file, folder) for file in (source, HERE / "support.go")]
        path = folder / source.parent.name
        run(go, "build", "-o", path, *files, env=offline)
        programs[source.parent.name] = Program((path,), (path,))
    return programs


def from_cargo(build, sources):
    """One package for all, so that tokio is compiled once."""
    cargo = found("cargo")
    folder = OUT / "tokio"
    folder.mkdir(parents=True, exist_ok=True)
    named = "\n".join(f'[[bin]]\nname = "{source.parent.name}"\npath = "{source}"\n' for source in sources)
    (folder / "Cargo.toml").write_text(TOKIO.format(programs=named))
    run(cargo, "build", "--quiet", "--release", "--manifest-path", folder / "Cargo.toml", "--target-dir", folder / "target")
    paths = {source.parent.name: folder / "target" / "release" / source.parent.name for source in sources}
    return {name: Program((path,), (path,)) for name, path in paths.items()}


def newest_jdk():
    """Returns the folder of the newest JDK; virtual threads came with 21."""
    homes = {}
    for release in pathlib.Path("/usr/lib/jvm").glob("*/release"):
        version = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.M)
        if version and (release.parent / "bin" / "javac").exists():
            homes[int(version.group(1))] = release.parent
    if not homes or max(homes) < 21:
        raise Missing("no JDK of version 21 or newer is in /usr/lib/jvm")
    return homes[max(homes)]


def from_java(build, sources):
    home = newest_jdk()
    programs = {}
    for source in sources:
        folder = folder_for("java", source.parent.name)
        run(home / "bin" / "javac", "-d", folder, source, HERE / "Support.java")
        # Support.java sets the number of threads. The set of all threads that is kept by default makes each one dearer.
        command = (home / "bin" / "java", "-Xms8g", "-Xmx8g", "-XX:+UseParallelGC", "-Djdk.trackAllThreads=false", "-cp", folder,
                   "Main")
        programs[source.parent.name] = Program(command, (source, HERE / "Support.java"))
    return programs


def from_erlang(build, sources):
    erl, erlc = found("erl"), found("erlc")
    programs = {}
    for source in sources:
        folder = folder_for("erlang", source.parent.name)
        run(erlc, "-o", folder, source, HERE / "support.erl")
        command = (erl, "-noinput", "+S", "{threads}:{threads}", "+P", "2000000", "-pa", folder, "-s", source.stem, "main",
                   "-extra")
        programs[source.parent.name] = Program(command, (source, HERE / "support.erl"))
    return programs


@functools.cache
def said_by_dev(*words):
    """Returns whether ./dev succeeded, and the last line that it printed."""
    print("+ ./dev " + " ".join(words), file=sys.stderr)
    done = subprocess.run([ROOT / "dev", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode == 0, done.stdout.strip().rpartition("\n")[2]


def interpreter(version, *options):
    """Returns the path of an interpreter, which is built when it can be and is not there."""
    is_there, said = said_by_dev("python", *options, version)
    if not is_there:
        raise Missing(f"there is no Python {version}: {said}")
    return said


def python_programs(python, sources, parts=()):
    modules = (("PYTHONPATH", str(HERE)),)
    # -P: the folder of a program called asyncio.py is not to be where asyncio is looked for.
    return {source.parent.name: Program((python, "-P", source), (source, HERE / "support.py", *parts), modules)
            for source in sources}


def from_python(version, build, sources):
    """Python by its version."""
    return python_programs(interpreter(version), sources)


def from_packages(build, sources):
    """The system's Python in a virtual environment, with the packages that the programs import."""
    python = OUT / "venv" / "bin" / "python"
    if not python.exists():
        run(sys.executable, "-m", "venv", OUT / "venv")
        run(python, "-m", "pip", "install", "--quiet", "greenlet", "gevent")
    return python_programs(python, sources)


def from_martlet_python(version, build, sources):
    """Python with martlet's own module, which is built from this tree and installed in a virtual environment."""
    python = interpreter(version, "--with-martlet")
    module = pathlib.Path(run(python, "-P", "-c", "import martlet; print(martlet.__path__[0])").strip())
    return python_programs(python, sources, sorted((*module.rglob("*.so"), *module.rglob("*.py"))))


@dataclasses.dataclass(frozen=True)
class Runtime:
    """One row of the tables."""

    name: str
    file: str  # of its source in the folder of each workload
    make: object
    version: tuple = ()  # a command that prints it
    is_core: bool = False  # taken by --quick
    beside: str = "martlet"  # whose time its ratio is to
    python: str = ""  # the version of the interpreter that its programs run on

    def programs(self, build, workloads):
        """Returns a program by the name of each workload that it has a source for; raises Missing."""
        sources = [workload / self.file for workload in workloads if (workload / self.file).exists()]
        return self.make(build, sources) if sources else {}

    def version_text(self):
        try:
            command = [word() if callable(word) else word for word in self.version]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
            return done.stdout.strip().splitlines()[0].rpartition("#")[2]  # cargo says where the package is from, too
        except (OSError, IndexError, subprocess.CalledProcessError, Missing):
            return "unknown"


def cargo_version(package):
    return ("cargo", "pkgid", "--manifest-path", str(OUT / "tokio" / "Cargo.toml"), package)


def package_version(name):
    return (str(OUT / "venv" / "bin" / "python"), "-c", f"import importlib.metadata as m; print('{name}', m.version('{name}'))")


SYSTEM = "%d.%d" % sys.version_info[:2]


def rows_of_python(version):
    """Returns the runtimes that an interpreter has without any packages; those of the system's have no version in their names."""
    after = "" if version == SYSTEM else f" {version}"
    coroutines, functions, isolated = (f"martlet{kind} in Python{after}" for kind in ("", " functions", " isolated"))
    version_of = (functools.partial(interpreter, version), "-c", "import sys; print('Python', sys.version.partition(' (')[0])")

    def row(name, file, make, beside):
        return Runtime(name, file, functools.partial(make, version), version_of, beside=beside, python=version)

    return (
        row(coroutines, "martlet.py", from_martlet_python, "martlet"),
        row(functions, "martlet_functions.py", from_martlet_python, coroutines),
        row(isolated, "martlet_isolated.py", from_martlet_python, coroutines),
        row(f"martlet.stackless in Python{after}", "martlet_stackless.py", from_martlet_python, functions),
        row(f"asyncio{after}", "asyncio.py", from_python, coroutines),
        row(f"python threads{after}", "threads.py", from_python, functions),
        row(f"python processes{after}", "processes.py", from_python, functions),
        row(f"python interpreters{after}", "interpreters.py", from_python, isolated),
        row(f"serial in Python{after}", "serial.py", from_python, coroutines),
    )


RUNTIMES = (
    Runtime("martlet", "martlet.cpp", from_meson, is_core=True),
    Runtime("martlet fibers", "martlet_stackful.cpp", from_meson, is_core=True),
    Runtime("go", "go.go", from_go, ("go", "version"), is_core=True),
    Runtime("tokio", "tokio.rs", from_cargo, cargo_version("tokio"), is_core=True),
    Runtime("boost.fiber", "boost_fiber.cpp", from_meson, is_core=True),
    Runtime("onetbb", "onetbb.cpp", from_meson, is_core=True),
    Runtime("asio", "asio.cpp", from_meson, is_core=True),
    Runtime("java", "virtual_threads.java", from_java, (lambda: str(newest_jdk() / "bin" / "java"), "--version")),
    Runtime("erlang", "erlang_processes.erl", from_erlang,
            ("erl", "-noshell", "-eval", 'io:format("OTP ~s~n", [erlang:system_info(otp_release)]), halt().')),
    Runtime("epoll", "epoll.cpp", from_meson, is_core=True),
    Runtime("io_uring", "io_uring.cpp", from_meson, ("pkg-config", "--print-provides", "liburing"), is_core=True),
    Runtime("serial", "serial.cpp", from_meson, is_core=True),
    *rows_of_python(SYSTEM),
    *(Runtime(name, f"{name}.py", from_packages, package_version(name), beside="martlet functions in Python", python=SYSTEM)
      for name in ("greenlet", "gevent")),
    *(row for version in ("3.13t", "3.14") if version != SYSTEM for row in rows_of_python(version)),
)


def whose_time(name):
    """Returns the runtime that the ratio of another one is to."""
    return next((runtime.beside for runtime in RUNTIMES if runtime.name == name), "martlet")
