"""Train the scorer of avatars: ``python -m recipes.scorer DATA``.

DATA is a folder that ``python -m recipes.avatars DATA`` wrote. A run that was killed goes on after its last whole
epoch. At the end, the weights and their card are written into the package `zoo_scorers.avatars`, and the accuracy at
the test images is printed, as JSON and as a table. The same data, options and version of torch give the same network.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional
from zoo_scorers.avatars.card import FOLDER
from zoo_scorers.avatars.network import SIDE, build_network

from recipes.avatars import Avatars, read
from recipes.pictures import to_images
from zoo._utils.files import atomic_file

BATCH = 128
RATE = 3e-3
DECAY = 0.05
GROUPS = 8
"""A batch is cut into so many groups; each is shifted and blurred in its own way."""

MOST_SHIFT = 2
MOST_NOISE = 0.1
NOT_THERE = 255
"""The label of an attribute that does not apply to an image."""


def train(folder: Path, out: Path, *, epochs: int, seed: int) -> dict[str, Any]:
    """Train on the images of `folder`, write weights and card into `out`, and return the card."""
    data, held = read(folder, "train"), read(folder, "val")
    sizes = [len(values) for values in data.attributes.values()]
    torch.manual_seed(seed)
    network = build_network(sum(sizes)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = -(-len(data.images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * steps)
    kept = folder / f"scorer-{seed}-{epochs}.pt"
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    for epoch in range(resume(kept, parts), epochs):
        generator = torch.Generator().manual_seed(seed * 10_000 + epoch)
        run_epoch(network, optimizer=optimizer, schedule=schedule, data=data, sizes=sizes, generator=generator)
        keep(kept, parts, epoch + 1)
        told = " ".join(f"{name} {share:.4f}" for name, share in accuracy(network, held).items())
        print(f"epoch {epoch + 1} of {epochs}: {told}", file=sys.stderr, flush=True)
    card = describe(folder, network, data, seed=seed, epochs=epochs)
    write(out, network, card)
    return card


def run_epoch(
    network: nn.Module,
    *,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    data: Avatars,
    sizes: Sequence[int],
    generator: torch.Generator,
) -> None:
    """Go through the images once, in random order, a step for each batch."""
    network.train()
    for images, labels in batches(data, generator):
        spoiled = spoil(images, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(spoiled)
        loss = loss_of(logits.float(), labels, sizes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def loss_of(logits: Tensor, labels: Tensor, sizes: Sequence[int]) -> Tensor:
    """Add up the cross-entropies of all attributes, each a mean over the images that it applies to."""
    parts = zip(logits.split(list(sizes), dim=1), labels.T, strict=True)
    sums = [
        functional.cross_entropy(part, wanted, ignore_index=NOT_THERE, reduction="sum")
        / (wanted != NOT_THERE).sum().clamp(min=1)
        for part, wanted in parts
    ]
    return torch.stack(sums).sum()


def batches(data: Avatars, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Go through the images in random order: (n, 3, h, w) in [-1, 1], and labels (n, attributes)."""
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    for places in torch.randperm(len(images), generator=generator).split(BATCH):
        yield to_images(images[places]), labels[places].long()


def spoil(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift images, blur every other group of them and add noise, by as little as a generator's pictures need."""
    made = []
    for number, group in enumerate(images.chunk(GROUPS)):
        down, right = torch.randint(2 * MOST_SHIFT + 1, (2,), generator=generator).tolist()
        padded = functional.pad(group, (MOST_SHIFT,) * 4, mode="replicate")
        shifted = padded[:, :, down : down + group.shape[2], right : right + group.shape[3]]
        made.append(blur(shifted, float(torch.rand((), generator=generator))) if number % 2 else shifted)
    spread = MOST_NOISE * torch.rand(len(images), 1, 1, 1, generator=generator)
    return torch.cat(made) + spread * torch.randn(images.shape, generator=generator)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Blur images (n, 3, h, w) by a Gaussian of `sigma` pixels, cut off after one pixel."""
    row = torch.exp(-torch.tensor([1.0, 0.0, 1.0]) / (2 * max(sigma, 0.05) ** 2))
    kernel = torch.outer(row, row)[None, None] / row.sum() ** 2
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded.flatten(0, 1)[:, None], kernel)[:, 0].view_as(images)


def accuracy(network: nn.Module, data: Avatars, generator: torch.Generator | None = None) -> dict[str, float]:
    """Compute for each attribute the share of images whose value is found, spoiled first if there is a generator."""
    network.eval()
    sizes = [len(values) for values in data.attributes.values()]
    found = []
    with torch.no_grad():
        for pixels in torch.from_numpy(data.images).split(BATCH):
            images = to_images(pixels) if generator is None else spoil(to_images(pixels), generator)
            found.append(torch.stack([part.argmax(dim=1) for part in network(images).split(sizes, dim=1)], dim=1))
    labels = torch.from_numpy(data.labels).long()
    there = labels != NOT_THERE
    right = ((torch.cat(found) == labels) & there).sum(dim=0) / there.sum(dim=0)
    return dict(zip(data.attributes, right.tolist(), strict=True))


def describe(folder: Path, network: nn.Module, data: Avatars, *, seed: int, epochs: int) -> dict[str, Any]:
    """Write down what the network knows, how well, and what it was trained on and how."""
    test = read(folder, "test")
    halve(network)
    told = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    rounded = [
        {name: round(share, 4) for name, share in found.items()}
        for found in (accuracy(network, test), accuracy(network, test, torch.Generator().manual_seed(seed)))
    ]
    return {
        "attributes": {name: list(values) for name, values in data.attributes.items()},
        "accuracy": rounded[0],
        "accuracy_spoiled": rounded[1],
        "images": {"side": SIDE, "train": len(data.images), "test": len(test.images)},
        "training": {"epochs": epochs, "seed": seed, "batch": BATCH, "rate": RATE, "torch": torch.__version__},
        "dataset": {"styles": told["styles"], "versions": told["versions"]},
    }


def halve(network: nn.Module) -> None:
    """Round the weights to those that the file will hold, so that the accuracy told is that of the file."""
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half())


def write(out: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
    """Write `weights.safetensors` (float16) and `card.json`."""
    state = {
        key: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for key, tensor in network.state_dict().items()
    }
    with atomic_file(out / "weights.safetensors") as partial:
        partial.write_bytes(save(state))
    with atomic_file(out / "card.json") as partial:
        partial.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def keep(path: Path, parts: Mapping[str, Any], epochs: int) -> None:
    """Write down how far the training is."""
    with atomic_file(path) as partial:
        torch.save({"epochs": epochs, **{name: part.state_dict() for name, part in parts.items()}}, partial)


def resume(path: Path, parts: Mapping[str, Any]) -> int:
    """Take up an earlier run of the same options, and return how many epochs of it are done."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["epochs"])


def table(card: Mapping[str, Any]) -> str:
    """Set the accuracies as a Markdown table."""
    rows = [
        f"| {name} | {len(values)} | {card['accuracy'][name]:.2%} | {card['accuracy_spoiled'][name]:.2%} |"
        for name, values in card["attributes"].items()
    ]
    return "\n".join(["| attribute | values | accuracy | of spoiled images |", "| --- | --- | --- | --- |", *rows])


def main(arguments: Sequence[str]) -> None:
    """Train, write, and print the accuracy."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of python -m recipes.avatars")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER, help="where to write; by default, into the package")
    given = parser.parse_args(arguments)
    card = train(given.data, given.out, epochs=given.epochs, seed=given.seed)
    print(json.dumps(card["accuracy"], indent=1))
    print(table(card))


if __name__ == "__main__":
    main(sys.argv[1:])
