"""`with`, a comment in place of a directory's name, and several lines in one chart."""

import math

from torch.utils.tensorboard import SummaryWriter

for rate in (0.1, 0.01):
    with SummaryWriter(comment=f"_LR_{rate}") as writer:
        for i in range(10):
            writer.add_scalar("loss", rate / (i + 1), i)
            waves = {"xsinx": i * math.sin(i / 5), "xcosx": i * math.cos(i / 5), "tanx": math.tan(i / 5)}
            writer.add_scalars("run/14h", waves, i)
