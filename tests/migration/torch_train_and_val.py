"""One writer for training and one for validation, so that both are lines of one chart; and a run that goes on."""

import os

from torch.utils.tensorboard import SummaryWriter

folder = os.path.join("logs", "model_a")
train = SummaryWriter(log_dir=os.path.join(folder, "train"), flush_secs=10)
val = SummaryWriter(log_dir=os.path.join(folder, "val"), max_queue=1)
for epoch in range(6):
    train.add_scalar("epoch_loss", 1.0 / (epoch + 1), epoch)
    if epoch % 2:
        val.add_scalar("epoch_loss", 1.2 / (epoch + 1), epoch)
train.close()
val.close()

resumed = SummaryWriter(log_dir=os.path.join(folder, "train"), purge_step=4, filename_suffix=".resumed")
for epoch in range(4, 8):
    resumed.add_scalar("epoch_loss", 0.5 / (epoch + 1), epoch)
resumed.close()
