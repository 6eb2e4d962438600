"""Files of arrays that are damaged, foreign or hostile: what numpy and its zip reader raise on them."""

import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

from core.operations import memory
from core.text import size_told

DAMAGE = (
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,  # an encrypted entry, or one packed in a way that is not known
    SyntaxError,
    TokenError,  # of brackets that are not closed, where an array is described
    TypeError,  # an array alone, where several by name are wanted
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def why_not_read(path: Path) -> str | None:
    """Why a file is not handed to numpy: it has no end, or would fill the memory, as its directory tells.

    Raises
    ------
    OSError
    zipfile.BadZipFile
        It is no file of arrays.
    """
    if path.exists() and not path.is_dir() and not path.is_file():
        return f"{path.name} cannot be read: it is no regular file"
    with zipfile.ZipFile(path) as file:
        size = sum(each.file_size for each in file.infolist())
    if size > (most := memory.of_this_machine()):
        return (
            f"{path.name} holds {size_told(size)}, more than this machine's memory of {size_told(most)}: "
            "part it"
        )
    return None
