"""Lightning without what it says at every start."""

from __future__ import annotations

import logging
import warnings


def quiet(but_profiler: bool = False) -> None:
    """Keep Lightning's warnings but for those that a run of Kindling causes by design; a profile is a mere notice."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO if but_profiler else logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers which may be a bottleneck")  # data in memory
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty")  # a run that goes on
    warnings.filterwarnings("ignore", ".*your dataloader is not resumable")  # `LastCheckpoint` skips what was seen
    warnings.filterwarnings("ignore", "Total length of `list` across ranks is zero")  # no test split
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.* is deprecated")  # inside Lightning 2.6
    warnings.filterwarnings("ignore", "Found .* module.s. in eval mode")  # what freeze= holds still
    warnings.filterwarnings("ignore", ".*but have no `.*_step`")  # a module of one's own may do without
