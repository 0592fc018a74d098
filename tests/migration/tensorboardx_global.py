"""Modules that share one writer without passing it around, and without counting steps."""

from tensorboardX import GlobalSummaryWriter


def data() -> None:
    """What one module logs."""
    writer = GlobalSummaryWriter.getSummaryWriter()
    writer.add_text("log", "greeting from data")
    for i in range(5):
        writer.add_scalar("data/size", 10 * i)


def model() -> None:
    """What another one logs."""
    writer = GlobalSummaryWriter.getSummaryWriter()
    writer.add_text("log", "greeting from model")
    for i in range(3):
        writer.add_scalar("model/loss", 1 / (i + 1))
        writer.add_scalar("data/size", -i)


data()
model()
GlobalSummaryWriter.getSummaryWriter().close()
