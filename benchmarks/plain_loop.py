"""The loop that a user of timm would write: `python -m benchmarks.plain_loop FOLDER ENSEMBLE BATCH TAMED`.

The loop classifies a folder of images with an ensemble's networks in eager PyTorch and writes a CSV file. With TAMED,
the C library's allocator keeps its memory, and the tensors are channels_last.
"""

import csv
import json
import sys
from pathlib import Path

import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

NAMES = {"efficientnet_b1": "efficientnet_b1", "efficientnetv2_b2": "tf_efficientnetv2_b2"}


class Cells(Dataset[torch.Tensor]):
    """The images of a folder."""

    def __init__(self, folder: Path, size: int) -> None:
        self.paths = sorted(folder.iterdir())
        self.transform = transforms.Compose(
            [
                transforms.Resize((size, size)),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> torch.Tensor:
        image: torch.Tensor = self.transform(Image.open(self.paths[position]).convert("RGB"))
        return image


def main(folder: Path, weights: Path, batch: int, tamed: bool) -> None:
    if tamed:
        from slidescreen.engine.allocator import keep_memory

        keep_memory()
    described = json.loads((weights / "ensemble.json").read_text())
    total = torch.zeros(())
    for member in described["members"]:
        from slidescreen.models.checkpoints import read_checkpoint

        size = read_checkpoint(weights / member["file"]).preprocessing.image_size
        network = timm.create_model(NAMES[member["backbone"]], num_classes=len(described["cell_types"]))
        state = {k: v.float() if v.is_floating_point() else v for k, v in load_file(weights / member["file"]).items()}
        network.load_state_dict(state)
        network.eval()
        if tamed:
            network = network.to(memory_format=torch.channels_last)
        data = Cells(folder, size)
        found = []
        with torch.inference_mode():
            for images in DataLoader(data, batch_size=batch, num_workers=2):
                if tamed:
                    images = images.contiguous(memory_format=torch.channels_last)
                found.append(network(images).softmax(1))
        voted = member["weight"] * torch.cat(found)
        total = total + voted
    with Path("cells.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        for path, row in zip(data.paths, total.tolist(), strict=True):
            writer.writerow([path.name, described["cell_types"][row.index(max(row))], *row])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True")
