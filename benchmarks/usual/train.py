"""One run of ResNet-18 as people write it with Lightning: python train.py FOLDER LR SEED EPOCHS BATCH RESULT."""

import json
import sys
from pathlib import Path
from typing import Any

from ablate.models._torchvision import import_torchvision

torchvision = import_torchvision()  # also where torch is a CPU's and torchvision CUDA's, as PyPI has them

import lightning as L  # noqa: E402
import torch  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

folder, lr, result = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[6])
seed, epochs, batch = map(int, sys.argv[3:6])
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Net(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = torchvision.models.resnet18(num_classes=len(train.classes))

    def training_step(self, batch: Any) -> torch.Tensor:
        images, labels = batch
        loss = cross_entropy(self.net(images), labels)
        self.log("train_loss", loss, on_epoch=True)
        return loss

    def validation_step(self, batch: Any) -> None:
        images, labels = batch
        logits = self.net(images)
        self.log("val_loss", cross_entropy(logits, labels))
        self.log("val_top1", (logits.argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr, momentum=0.9, weight_decay=5e-4)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)]


L.seed_everything(seed, workers=True)
tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
train = torchvision.datasets.ImageFolder(folder / "train", v2.Compose([v2.RandomHorizontalFlip(), *tensor]))
val = torchvision.datasets.ImageFolder(folder / "val", v2.Compose(tensor))
workers: dict[str, Any] = {"num_workers": 2, "persistent_workers": True}
trainer = L.Trainer(
    max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
    enable_model_summary=False,
)  # fmt: skip
trainer.fit(Net(), DataLoader(train, batch, shuffle=True, **workers), DataLoader(val, batch, **workers))
result.write_text(json.dumps({"lr": lr, "seed": seed, "val_top1": trainer.callback_metrics["val_top1"].item()}))
