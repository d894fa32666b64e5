"""Files that do not lie on this machine, by URL: ``s3://``, ``gs://``, ``hdfs://``, ``file://``.

They are opened through ``pyarrow.fs``, which takes credentials from where the tools of the service
take them. Our readers need files: an input is copied before it is read.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from stance.documents import is_readable
from stance.encodings import DocumentError

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""How a URL begins; one letter before the colon is a drive of Windows."""


def is_remote(path: str) -> bool:
    """Whether a path is a URL."""
    return URL.match(path) is not None


def open_filesystem(path: str) -> tuple[FileSystem, str]:
    """The file system that a URL or a local path is of, and the path there.

    Raises:
        OSError: if the service does not answer.
        ValueError: if the kind of URL is not known.
    """
    from pyarrow.fs import FileSystem, LocalFileSystem

    if not is_remote(path):
        return LocalFileSystem(), Path(path).absolute().as_posix()
    # Umlauts and spaces may stand in it as they are; what is encoded already stays.
    system, inner = FileSystem.from_uri(quote(path, safe="%/:?=&@+,*"))
    return system, inner.rstrip("/")


class Inputs(NamedTuple):
    """What is to be read, and how it is called."""

    paths: list[str]
    """Absolute paths for ``stance.documents.iter_documents``."""
    names: dict[str, str]
    """Beginnings of paths, and what stands for them where a user reads them."""


def copy_inputs(inputs: Sequence[str], folder: Path) -> Inputs:
    """Copy inputs that are URLs of files, folders or patterns into ``folder``; others stay where
    they are. Documents get the ids that they would have there.

    Raises:
        DocumentError: if an input cannot be read, or nothing matches it.
    """
    paths: list[str] = []
    names: dict[str, str] = {}
    for number, given in enumerate(inputs):
        if not is_remote(given):
            paths.append(str(Path(given).absolute()))
            if not Path(given).is_absolute():
                names[f"{Path.cwd()}{os.sep}"] = ""
            continue
        place = folder / str(number)
        try:
            system, path = open_filesystem(given)
            beginning = given.removesuffix(path) if given.endswith(path) else ""
            base, found = find_remote(system, path)
            for file in found:
                copy = place / PurePosixPath(file.path).relative_to(base)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy_file(system, file.path, copy)
                if base != path:
                    paths.append(str(copy))
                    names[str(copy)] = f"{beginning}{file.path}"
        except (OSError, ValueError) as error:
            raise DocumentError(f"cannot be read: {error}", given) from error
        if not found:
            raise DocumentError("there is no such file, folder with texts or match", given)
        if base == path:
            paths.append(str(place))
            names[str(place)] = given
    return Inputs(paths, names)


def rename_file(error: DocumentError, names: Mapping[str, str]) -> DocumentError:
    """The error with the name of its file for a user, see ``Inputs.names``."""
    for path in sorted(names, key=len, reverse=True):
        if error.file is not None and error.file.startswith(path):
            error.args = (str(error).replace(path, names[path]),)
            error.file = error.file.replace(path, names[path])
            break
    return error


def find_remote(system: FileSystem, path: str) -> tuple[str, list[FileInfo]]:
    """The files of a path or pattern, and the folder that they lie in, deep or not."""
    from pyarrow.fs import FileSelector, FileType

    names = path.split("/")
    fixed = next((number for number, name in enumerate(names) if has_magic(name)), None)
    if fixed is not None:
        base = "/".join(names[:fixed])
        inside = system.get_file_info(FileSelector(base or "/", recursive=True))
        # As by glob: a star does not go over a slash.
        inside = [
            file
            for file in inside
            if file.path.count("/") == path.count("/") and fnmatchcase(file.path, path)
        ]
    else:
        found = system.get_file_info(path)
        if found.type == FileType.NotFound:
            return "", []
        if found.is_file:
            return str(PurePosixPath(path).parent), [found]
        base = path
        inside = system.get_file_info(FileSelector(path, recursive=True))
    files = [file for file in inside if file.is_file and is_readable(Path(file.path))]
    return base, sorted(files, key=lambda file: file.path)


def copy_file(system: FileSystem, path: str, copy: Path) -> None:
    # As it is: a packed file is unpacked by its reader.
    with system.open_input_stream(path, compression=None) as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, length=1 << 20)
