"""Train the scorer of avatars: ``python -m recipes.scorer DATA``.

DATA is a folder that ``python -m recipes.avatars DATA`` wrote. A run that was killed resumes after its last complete
epoch. At the end, the weights and their card are written into the package `zoo_scorers.avatars`, and the accuracy on
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

# A batch is split into so many groups; each is shifted and blurred by random amounts of its own.
GROUPS = 8

MOST_SHIFT = 2
MOST_NOISE = 0.1

# The label of an attribute that does not apply to an image.
NOT_APPLICABLE = 255


def train(folder: Path, out: Path, *, epochs: int, seed: int) -> dict[str, Any]:
    """Train on the images of `folder`, write weights and card into `out`, and return the card."""
    data = read(folder, "train")
    held_out = read(folder, "val")
    sizes = [len(values) for values in data.attributes.values()]
    torch.manual_seed(seed)
    network = build_network(sum(sizes)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = -(-len(data.images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * steps)
    checkpoint = folder / f"scorer-{seed}-{epochs}.pt"
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    for epoch in range(resume(checkpoint, parts), epochs):
        generator = torch.Generator().manual_seed(seed * 10_000 + epoch)
        run_epoch(network, optimizer=optimizer, schedule=schedule, data=data, sizes=sizes, generator=generator)
        save_checkpoint(checkpoint, parts, epoch + 1)
        accuracies = " ".join(f"{name} {share:.4f}" for name, share in accuracy(network, held_out).items())
        print(f"epoch {epoch + 1} of {epochs}: {accuracies}", file=sys.stderr, flush=True)
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
    """Train on all images once, in random order, with a step for each batch."""
    network.train()
    for images, labels in batches(data, generator):
        augmented = augment(images, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(augmented)
        loss = loss_of(logits.float(), labels, sizes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def loss_of(logits: Tensor, labels: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the sum of all attributes' cross-entropies, each a mean over the images that it applies to."""
    parts = zip(logits.split(list(sizes), dim=1), labels.T, strict=True)
    sums = [
        functional.cross_entropy(part, target, ignore_index=NOT_APPLICABLE, reduction="sum")
        / (target != NOT_APPLICABLE).sum().clamp(min=1)
        for part, target in parts
    ]
    return torch.stack(sums).sum()


def batches(data: Avatars, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Iterate over batches in random order: images (n, 3, h, w) in [-1, 1], and labels (n, attributes)."""
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    for indices in torch.randperm(len(images), generator=generator).split(BATCH):
        yield to_images(images[indices]), labels[indices].long()


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift images, blur every other group and add noise, as little as generated images differ from real ones."""
    augmented = []
    for number, group in enumerate(images.chunk(GROUPS)):
        down, right = torch.randint(2 * MOST_SHIFT + 1, (2,), generator=generator).tolist()
        padded = functional.pad(group, (MOST_SHIFT,) * 4, mode="replicate")
        shifted = padded[:, :, down : down + group.shape[2], right : right + group.shape[3]]
        augmented.append(blur(shifted, float(torch.rand((), generator=generator))) if number % 2 else shifted)
    std = MOST_NOISE * torch.rand(len(images), 1, 1, 1, generator=generator)
    return torch.cat(augmented) + std * torch.randn(images.shape, generator=generator)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Blur images (n, 3, h, w) by a Gaussian of `sigma` pixels, cut off after one pixel."""
    row = torch.exp(-torch.tensor([1.0, 0.0, 1.0]) / (2 * max(sigma, 0.05) ** 2))
    kernel = torch.outer(row, row)[None, None] / row.sum() ** 2
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded.flatten(0, 1)[:, None], kernel)[:, 0].view_as(images)


def accuracy(network: nn.Module, data: Avatars, generator: torch.Generator | None = None) -> dict[str, float]:
    """Return the share of images whose value of each attribute is predicted; with a generator, of augmented images."""
    network.eval()
    sizes = [len(values) for values in data.attributes.values()]
    predictions = []
    with torch.no_grad():
        for pixels in torch.from_numpy(data.images).split(BATCH):
            images = to_images(pixels) if generator is None else augment(to_images(pixels), generator)
            predictions.append(torch.stack([part.argmax(dim=1) for part in network(images).split(sizes, dim=1)], dim=1))
    labels = torch.from_numpy(data.labels).long()
    applicable = labels != NOT_APPLICABLE
    shares = ((torch.cat(predictions) == labels) & applicable).sum(dim=0) / applicable.sum(dim=0)
    return dict(zip(data.attributes, shares.tolist(), strict=True))


def describe(folder: Path, network: nn.Module, data: Avatars, *, seed: int, epochs: int) -> dict[str, Any]:
    """Return the card: the attributes, the accuracy, and the data and settings of the training."""
    test = read(folder, "test")
    halve(network)
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    rounded = [
        {name: round(share, 4) for name, share in accuracies.items()}
        for accuracies in (accuracy(network, test), accuracy(network, test, torch.Generator().manual_seed(seed)))
    ]
    return {
        "attributes": {name: list(values) for name, values in data.attributes.items()},
        "accuracy": rounded[0],
        "accuracy_spoiled": rounded[1],
        "images": {"side": SIDE, "train": len(data.images), "test": len(test.images)},
        "training": {"epochs": epochs, "seed": seed, "batch": BATCH, "rate": RATE, "torch": torch.__version__},
        "dataset": {"styles": dataset["styles"], "versions": dataset["versions"]},
    }


def halve(network: nn.Module) -> None:
    """Round the weights to half precision, so that the accuracy on the card is that of the file."""
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


def save_checkpoint(path: Path, parts: Mapping[str, Any], epochs: int) -> None:
    """Write a checkpoint."""
    with atomic_file(path) as partial:
        torch.save({"epochs": epochs, **{name: part.state_dict() for name, part in parts.items()}}, partial)


def resume(path: Path, parts: Mapping[str, Any]) -> int:
    """Load the checkpoint of an earlier run, if there is one, and return how many epochs it completed."""
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
