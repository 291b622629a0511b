"""How a worker treats memory: what lives long is left alone, what comes and goes is kept at hand."""

import contextlib
import ctypes
import gc

# glibc, malloc.h. Either of them, once set, also ends glibc's own adjusting of both.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_YOUNG = 20_000  # objects made since the last look, about 2,000 records
_MAPPED_BYTES = 32 * 1024 * 1024  # glibc's own upper limit for what is not mapped anew each time
_KEPT_BYTES = 8 * 1024 * 1024  # a few answers


def settle_memory() -> None:
    """To be called once, when everything that lives as long as the process has been made.

    Modules and clients are put out of the garbage collector's sight: it walked through them again and again. What a
    run makes and drops holds no cycles (app/http/outbound.py breaks the one there was), so the collector need not come
    by for every few records. Answers of a megabyte come and go all the time; giving each one's memory back to the
    system and taking it anew costs more than reading it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 5, 5)
    with contextlib.suppress(OSError, AttributeError):  # another C library: it has its own ways
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES)
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


def let_go() -> None:
    """To be called between two slices of a long run, when what one has made is of no use any more.

    Types made from a mapping refer to themselves, so only the collector takes them away, and it would not come by for
    a dozen slices: half a megabyte each. Takes some ten milliseconds.
    """
    gc.collect()
