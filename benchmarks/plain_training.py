"""The training that a user of timm would write: `python -m benchmarks.plain_training CSV BACKBONE SIZE EPOCHS TAMED`.

CSV has the columns file and label; the files lie beside it. With TAMED, the C library's allocator keeps its memory, and
the tensors are channels_last.
"""

import csv
import sys
from pathlib import Path

import timm
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.plain_loop import NAMES


class Labelled(Dataset[tuple[torch.Tensor, int]]):
    """The images of a table."""

    def __init__(self, table: Path, size: int) -> None:
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        self.names = sorted({row["label"] for row in rows})
        self.items = [(table.parent / row["file"], self.names.index(row["label"])) for row in rows]
        self.transform = transforms.Compose(
            [
                transforms.Resize((size, size)),
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.RandomRotation(180),
                transforms.ColorJitter(0.1, 0.1, 0.1),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, int]:
        path, label = self.items[position]
        return self.transform(Image.open(path).convert("RGB")), label


def main(table: Path, backbone: str, size: int, epochs: int, tamed: bool) -> None:
    if tamed:
        from slidescreen.engine.allocator import keep_memory

        keep_memory()
    data = Labelled(table, size)
    layout = torch.channels_last if tamed else torch.contiguous_format
    network = timm.create_model(NAMES[backbone], num_classes=len(data.names)).to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.0005)
    network.train()
    for _ in range(epochs):
        for images, labels in DataLoader(data, batch_size=32, shuffle=True, num_workers=2):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(images.contiguous(memory_format=layout)), labels)
            torch.autograd.backward(loss)
            optimizer.step()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "True")
