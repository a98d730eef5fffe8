"""TensorBoard's event writer on TensorBoard's own file layer, never TensorFlow's.

TensorBoard prefers an installed TensorFlow (tensorboard/compat/__init__.py): seconds of import for writing a
small file, and an error in a process that keeps TensorFlow out. Its build without TensorFlow is told by a module
`tensorboard.compat.notf`, which is set here.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def event_writer(folder: Path) -> SummaryWriter:
    """Return a writer of curves below `folder`."""
    sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
