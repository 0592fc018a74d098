"""A moving picture of a square that wanders."""

import numpy as np
from tensorboardX import SummaryWriter

clip = np.zeros((1, 6, 3, 16, 16), np.uint8)
for frame in range(6):
    clip[0, frame, :, frame : frame + 5, frame : frame + 5] = 255
with SummaryWriter("runs/video") as writer:
    writer.add_video("wandering square", clip, 3, fps=5)
