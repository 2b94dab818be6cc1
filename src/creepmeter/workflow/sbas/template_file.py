"""``smallbaselineApp.cfg``: a template with every key, and how a custom template is written into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from creepmeter.io.swap import write_text
from creepmeter.workflow.sbas.template import SbasTemplate, known_key, read_template
from creepmeter.workflow.sbas.template_keys import GROUPS, KEYS, PREFIX, Key

CONFIG_NAME = "smallbaselineApp.cfg"
_HEAD = """\
# Template of a small-baseline run: key = value  # comment.
# auto takes the value after "auto:"; yes/on/true and no/off/false mean the same.
# Values of a custom template are written into this file; its name then stands behind the value.
"""
_WIDTH = 46
_MARK = "#<- "
_ASSIGNMENT = re.compile(r"^(?P<head>\s*(?P<name>[\w.]+)\s*=\s*)(?P<value>[^#\n]*?)(?P<tail>\s*(?:#.*)?)$")


def template_text() -> str:
    """Return a template with every key, its default and what it does."""
    parts = [_HEAD]
    for title, keys in GROUPS.items():
        parts.append(f"\n########## {title}\n")
        parts += [f"{_line(key)}\n" for key in keys]
    return "".join(parts)


def _line(key: Key, text: str = "auto") -> str:
    head = f"{PREFIX + key.name:<{_WIDTH}} = {text}"
    unused = f" (no effect: {key.unused})" if key.unused else ""
    return f"{head}  # {key.kind.allowed}; auto: {key.default}; {key.meaning}{unused}"


def write_config(folder: Path, *, replace: bool = False) -> Path:
    """Write ``smallbaselineApp.cfg`` with every key, unless it is there.

    Parameters
    ----------
    folder : Path
        Work folder.
    replace : bool
        Write it anew if it is there.
    """
    path = folder / CONFIG_NAME
    if replace or not path.exists():
        write_text(path, template_text())
    return path


def update_config(folder: Path, custom: Path) -> Path:
    """Write the values of a custom template into ``smallbaselineApp.cfg`` of the work folder.

    The rest of the file stays as it is. A value that the same custom template gave in an earlier run, and no longer
    gives, goes back to auto.

    Parameters
    ----------
    folder : Path
        Work folder; the file is made if it is not there.
    custom : Path
        Template of the user.
    """
    path = write_config(folder)
    given = read_template(custom)
    text = path.read_text(encoding="utf-8")
    changed = merged_text(text, given, custom.name)
    if changed != text:
        write_text(path, changed)
    return path


def merged_text(text: str, given: SbasTemplate, name: str) -> str:
    """Return the text of a template with the values of another in it.

    Parameters
    ----------
    text : str
        Lines ``key = value  # comment``.
    given : SbasTemplate
        Values to write.
    name : str
        File name of `given`, noted behind its values.
    """
    waiting = {key: entry.text for key, entry in given.entries.items()}
    lines = [_merged_line(line, waiting, given, name) for line in text.splitlines()]
    lines += [f"{_line(KEYS[key], value)}  {_MARK}{name}" for key, value in waiting.items()]
    return "\n".join(lines) + "\n"


def _merged_line(line: str, waiting: dict[str, str], given: SbasTemplate, name: str) -> str:
    found = _ASSIGNMENT.match(line)
    key = known_key(found["name"]) if found and not line.lstrip().startswith(("#", "%", "!")) else None
    if found is None or key is None:
        return line
    tail, _, mark = found["tail"].partition(_MARK)
    if key in given.entries:
        waiting.pop(key, None)
        value = given.entries[key].text
        return f"{found['head']}{value}{_spaced(tail)}  {_MARK}{name}" if value != found["value"] or mark else line
    if mark.strip() == name:
        return f"{found['head']}auto{_spaced(tail)}".rstrip()
    return line


def _spaced(tail: str) -> str:
    return f"  {tail.strip()}" if tail.strip() else ""


def settings_text(template: SbasTemplate) -> str:
    """Return what differs from auto, as a template."""
    given: Mapping[str, str] = {name: template.text(name) for name in KEYS if template.is_given(name)}
    return "".join(f"{PREFIX + name:<{_WIDTH}} = {text}\n" for name, text in given.items())
