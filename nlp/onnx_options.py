"""How ONNX Runtime is opened by every model of the server."""

from __future__ import annotations

import onnxruntime


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Return options for a CPU session that runs one call on `threads` threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads must not spin: the server shares its cores with Rasa and the data base.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
