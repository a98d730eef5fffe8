"""What became of each turn, kept for staff: the whole trace with personal data masked, and anonymous counts."""

from channels.traces.digest import TurnRecord, digest
from channels.traces.recorder import TraceRecorder
from channels.traces.store import TraceStore

__all__ = ["TraceRecorder", "TraceStore", "TurnRecord", "digest"]
