"""The whole error tree of uniSMP.

What a guest does wrong is behaviour of the guest and never raises; how a run ends is a value
(`uniSMP.machine.outcome.Outcome`). Everything here is a mistake of the host side: wrong use,
unreadable input, an unsupported engine, or a broken invariant of uniSMP itself.
"""


class UniSMPError(Exception):
    """Base of all errors raised by uniSMP; its text is one line, fit to be shown to a user."""


class ConfigError(UniSMPError):
    """A setting is out of range or contradicts another one."""


class AssemblyError(UniSMPError):
    """A source file cannot be assembled; the text names file, line and the offending text."""


class ImageError(UniSMPError):
    """A guest image is missing, damaged, of an unknown format, or does not fit RAM."""


class EngineError(UniSMPError):
    """The CPU engine is of an unsupported build or refused an operation."""


class FormatError(UniSMPError):
    """A file written by uniSMP is damaged, or of an unknown version."""


class DivergenceError(UniSMPError):
    """A replay departed from its recording."""


class WorkerError(UniSMPError):
    """A process that shares the work of an exploration died, or cannot be reached."""


class InternalError(UniSMPError):
    """An invariant of uniSMP itself is broken: please report it with the command that shows it."""
