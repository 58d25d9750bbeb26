"""Durations as text: a clock for tables and progress lines, words for pages."""


def clock(seconds: float) -> str:
    """Return a duration as ``0:42``, ``1:51`` or ``2:05:09``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def in_words(seconds: float) -> str:
    """Return a duration in its two largest units: ``42 s``, ``1 min 51 s`` or ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
