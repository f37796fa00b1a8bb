"""Train the scorer of avatars: ``python -m recipes.scorer DATA``.

DATA is a folder that ``python -m recipes.avatars DATA`` wrote. A run that was interrupted resumes after its last
complete epoch. At the end, the weights and their card are written into the package `zoo_scorers.avatars`, and the
accuracy on the test images is printed as JSON and as a table. The same data, options and version of torch give the
same network.
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
from zoo_scorers.avatars.network import RESOLUTION, build_network

from recipes.avatars import Avatars, read
from recipes.pictures import to_images
from recipes.precision import autocast
from zoo._utils.files import atomic_file

BATCH_SIZE = 128
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.05
GROUPS = 8  # a batch is cut into so many groups, each shifted and blurred by its own amounts
LARGEST_SHIFT = 2  # pixels
LARGEST_NOISE = 0.1  # standard deviation, for images in [-1, 1]
MISSING = 255  # the label of an attribute that does not apply to an image


def train(folder: Path, out: Path, *, epochs: int, seed: int) -> dict[str, Any]:
    """Train the network, and write its weights and card.

    Args:
        folder: Folder of the data set; the state of the training is saved there after each epoch.
        out: Folder that the weights and the card are written into.
        epochs: Number of passes over the training images.
        seed: Seed of the initial weights, the order of the images and the perturbations.

    Returns:
        The card.
    """
    training, validation = read(folder, "train"), read(folder, "val")
    sizes = [len(values) for values in training.attributes.values()]
    torch.manual_seed(seed)
    network = build_network(sum(sizes)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = -(-len(training.images) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * steps)
    state_file = folder / f"scorer-{seed}-{epochs}.pt"
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    for epoch in range(load_state(state_file, parts), epochs):
        generator = torch.Generator().manual_seed(seed * 10_000 + epoch)
        run_epoch(network, optimizer=optimizer, schedule=schedule, data=training, sizes=sizes, generator=generator)
        save_state(state_file, parts, epoch + 1)
        shares = " ".join(f"{name} {share:.4f}" for name, share in accuracy(network, validation).items())
        print(f"epoch {epoch + 1} of {epochs}: {shares}", file=sys.stderr, flush=True)
    card = describe(folder, network, training, seed=seed, epochs=epochs)
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
    """Take one step for each batch of the training images, in random order.

    Args:
        network: The network, which is changed in place.
        optimizer: Optimizer of its parameters.
        schedule: Schedule of the learning rate, advanced after each step.
        data: Training images.
        sizes: Number of values of each attribute.
        generator: Source of the order and the perturbations.
    """
    network.train()
    for images, labels in batches(data, generator):
        perturbed = perturb(images, generator).contiguous(memory_format=torch.channels_last)
        with autocast("cpu"):
            logits = network(perturbed)
        loss = loss_of(logits.float(), labels, sizes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def loss_of(logits: Tensor, labels: Tensor, sizes: Sequence[int]) -> Tensor:
    """Add up the cross-entropies of all attributes.

    Args:
        logits: Logits (n, columns), the values of each attribute side by side.
        labels: Labels (n, attributes) int64, `MISSING` where an attribute does not apply.
        sizes: Number of values of each attribute.

    Returns:
        The sum over attributes (); each term is a mean over the images that have a label.
    """
    attributes = zip(logits.split(list(sizes), dim=1), labels.T, strict=True)
    means = [
        functional.cross_entropy(part, target, ignore_index=MISSING, reduction="sum")
        / (target != MISSING).sum().clamp(min=1)
        for part, target in attributes
    ]
    return torch.stack(means).sum()


def batches(data: Avatars, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Go through the images in random order.

    Args:
        data: The images and their labels.
        generator: Source of the order.

    Yields:
        Images (n, 3, h, w) in [-1, 1] and labels (n, attributes) int64.
    """
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    for index in torch.randperm(len(images), generator=generator).split(BATCH_SIZE):
        yield to_images(images[index]), labels[index].long()


def perturb(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift images, blur every other group of them and add noise, to make the network ready for a GAN's images.

    Args:
        images: Images (n, 3, h, w) in [-1, 1].
        generator: Source of the amounts and the noise.

    Returns:
        Images of the same shape; noise may take them out of [-1, 1].
    """
    groups = []
    for index, group in enumerate(images.chunk(GROUPS)):
        down, right = torch.randint(2 * LARGEST_SHIFT + 1, (2,), generator=generator).tolist()
        padded = functional.pad(group, (LARGEST_SHIFT,) * 4, mode="replicate")
        shifted = padded[:, :, down : down + group.shape[2], right : right + group.shape[3]]
        groups.append(blur(shifted, float(torch.rand((), generator=generator))) if index % 2 else shifted)
    deviation = LARGEST_NOISE * torch.rand(len(images), 1, 1, 1, generator=generator)
    return torch.cat(groups) + deviation * torch.randn(images.shape, generator=generator)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Blur images by a Gaussian that is cut off after one pixel.

    Args:
        images: Images (n, 3, h, w).
        sigma: Standard deviation in pixels, taken as 0.05 where it is smaller.

    Returns:
        Images of the same shape.
    """
    row = torch.exp(-torch.tensor([1.0, 0.0, 1.0]) / (2 * max(sigma, 0.05) ** 2))
    kernel = torch.outer(row, row)[None, None] / row.sum() ** 2
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded.flatten(0, 1)[:, None], kernel)[:, 0].view_as(images)


def accuracy(network: nn.Module, data: Avatars, generator: torch.Generator | None = None) -> dict[str, float]:
    """Compute for each attribute the share of images whose value is predicted.

    Args:
        network: The network, which is put into evaluation mode.
        data: Images and labels; images without a label for an attribute do not count for it.
        generator: If given, images are perturbed first.

    Returns:
        A share in [0, 1] for each attribute.
    """
    network.eval()
    sizes = [len(values) for values in data.attributes.values()]
    predictions = []
    with torch.no_grad():
        for pixels in torch.from_numpy(data.images).split(BATCH_SIZE):
            images = to_images(pixels) if generator is None else perturb(to_images(pixels), generator)
            logits = network(images).split(sizes, dim=1)
            predictions.append(torch.stack([part.argmax(dim=1) for part in logits], dim=1))
    labels = torch.from_numpy(data.labels).long()
    labelled = labels != MISSING
    correct = (torch.cat(predictions) == labels) & labelled
    return dict(zip(data.attributes, (correct.sum(dim=0) / labelled.sum(dim=0)).tolist(), strict=True))


def describe(folder: Path, network: nn.Module, data: Avatars, *, seed: int, epochs: int) -> dict[str, Any]:
    """Round the network to float16, measure it on the test images, and write its card.

    Args:
        folder: Folder of the data set.
        network: The trained network, which is changed in place.
        data: The training images.
        seed: Seed of the training, used for the perturbations too.
        epochs: Number of epochs of the training.

    Returns:
        The card: attributes and their values, accuracies, the data set and the training.
    """
    test = read(folder, "test")
    round_to_half(network)
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    plain, perturbed = (
        {name: round(share, 4) for name, share in accuracy(network, test, generator).items()}
        for generator in (None, torch.Generator().manual_seed(seed))
    )
    return {
        "attributes": {name: list(values) for name, values in data.attributes.items()},
        "accuracy": plain,
        "accuracy_spoiled": perturbed,
        "images": {"side": RESOLUTION, "train": len(data.images), "test": len(test.images)},
        "training": {
            "epochs": epochs,
            "seed": seed,
            "batch": BATCH_SIZE,
            "rate": LEARNING_RATE,
            "torch": torch.__version__,
        },
        "dataset": {"styles": dataset["styles"], "versions": dataset["versions"]},
    }


def round_to_half(network: nn.Module) -> None:
    """Round the weights to float16, the type in the file, so that the accuracies are those of the file.

    Args:
        network: The network, which is changed in place and stays in float32.
    """
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half())


def write(
    out: Path,
    network: nn.Module,
    card: Mapping[str, Any],
    names: tuple[str, str] = ("weights.safetensors", "card.json"),
) -> None:
    """Write a network, in float16, and its card.

    Args:
        out: Folder that both files are written into.
        network: The network.
        card: Its card.
        names: Names of the two files.
    """
    state = {
        key: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for key, tensor in network.state_dict().items()
    }
    with atomic_file(out / names[0]) as partial:
        partial.write_bytes(save(state))
    with atomic_file(out / names[1]) as partial:
        partial.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def save_state(path: Path, parts: Mapping[str, Any], epochs: int) -> None:
    """Save the state of the training.

    Args:
        path: File that is written.
        parts: What has a state dict, by name.
        epochs: Number of epochs that are complete.
    """
    with atomic_file(path) as partial:
        torch.save({"epochs": epochs, **{name: part.state_dict() for name, part in parts.items()}}, partial)


def load_state(path: Path, parts: Mapping[str, Any]) -> int:
    """Load the state of an earlier run of the same options, if there is one.

    Args:
        path: File that `save_state` wrote.
        parts: What has a state dict, by name; changed in place.

    Returns:
        Number of epochs that are complete.
    """
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["epochs"])


def table(card: Mapping[str, Any]) -> str:
    """Set the accuracies as a Markdown table.

    Args:
        card: The card of the network.

    Returns:
        A row for each attribute, without a newline at the end.
    """
    rows = [
        f"| {name} | {len(values)} | {card['accuracy'][name]:.2%} | {card['accuracy_spoiled'][name]:.2%} |"
        for name, values in card["attributes"].items()
    ]
    return "\n".join(["| attribute | values | accuracy | of spoiled images |", "| --- | --- | --- | --- |", *rows])


def main(arguments: Sequence[str]) -> None:
    """Train, write, and print the accuracy.

    Args:
        arguments: Arguments of the command line, without its name.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of python -m recipes.avatars")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER, help="where to write; by default, into the package")
    options = parser.parse_args(arguments)
    card = train(options.data, options.out, epochs=options.epochs, seed=options.seed)
    print(json.dumps(card["accuracy"], indent=1))
    print(table(card))


if __name__ == "__main__":
    main(sys.argv[1:])
