"""A rank that logs like the others and writes nothing, and a step that is set once for all."""

from tensorboardX import SummaryWriter

for rank in range(3):
    writer = SummaryWriter(f"runs/rank{rank}", write_to_disk=rank == 0)
    for step in range(4):
        with writer.use_metadata(global_step=step, walltime=1_700_000_000.0 + step):
            writer.add_scalar("loss", 1 / (step + 1))
            writer.add_scalar("rank", rank)
    writer.close()
