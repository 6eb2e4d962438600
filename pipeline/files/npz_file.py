"""What numpy and its zip reader raise on files of arrays that are damaged, foreign or hostile."""

import struct
import zipfile
import zlib
from tokenize import TokenError

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
