"""Lightning in one argument: `Trainer(logger=...)`, then `tallyboard --logdir runs`."""

import torch
from pytorch_lightning import LightningModule, Trainer

from tallyboard.integrations.lightning import TallyboardLogger


class Regression(LightningModule):
    """Learns to add up eight numbers."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 1)

    def training_step(self, x: torch.Tensor):
        loss = torch.nn.functional.mse_loss(self.layer(x), x.sum(dim=1, keepdim=True))
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


loader = torch.utils.data.DataLoader(torch.rand(3200, 8), batch_size=32, shuffle=True)
Trainer(max_epochs=2, log_every_n_steps=5, logger=TallyboardLogger("runs", name="lightning")).fit(Regression(), loader)
