"""Train the two towers of the text scorer on captions of avatars: ``python -m recipes.two_towers DATA``.

DATA is a folder that ``python -m recipes.avatars DATA`` wrote, of images of 32² or 64² pixels. A run that was
interrupted resumes after its last complete epoch. At the end, the weights and their card are written into the package
`zoo_scorers.text`, and the accuracy on the test images is printed. The same data, options and version of torch give the
same network.

The loss asks of every caption and every image of a batch whether the one is true of the other (Zhai et al., "Sigmoid
Loss for Language Image Pre-Training", ICCV 2023). The labels tell that exactly, so that a caption which happens to be
true of another image is no false negative.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from zoo_scorers.text.bundled import FOLDER
from zoo_scorers.text.tokenizer import tokenize
from zoo_scorers.text.towers import RESOLUTION, Towers

from recipes.avatars import Avatars, licence_of, read
from recipes.captions import MISSING, caption, plainest, vocabulary
from recipes.pictures import to_images
from recipes.precision import autocast
from recipes.scorer import load_state, perturb, round_to_half, save_state, write

BATCH_SIZE = 192
CAPTIONS = 64  # of the images of a batch; each is compared with all of them
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.05


def train(folder: Path, out: Path, *, epochs: int, seed: int) -> dict[str, Any]:
    """Train the network, and write its weights and card.

    Args:
        folder: Folder of the data set.
        out: Folder that the weights, the card and, while it goes on, the state of the training are written into.
        epochs: Number of passes over the training images.
        seed: Seed of the initial weights, the order of the images, the perturbations and the captions.

    Returns:
        The card.
    """
    training = read(folder, "train")
    images = reduce(torch.from_numpy(training.images))
    words = vocabulary()
    torch.manual_seed(seed)
    network = Towers(len(words)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = len(images) // BATCH_SIZE
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * steps)
    out.mkdir(parents=True, exist_ok=True)
    state_file = out / f"two-towers-{seed}-{epochs}.pt"
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    for epoch in range(load_state(state_file, parts), epochs):
        generator = torch.Generator().manual_seed(seed * 10_000 + epoch)
        rng = np.random.default_rng((seed, epoch))
        network.train()
        order = torch.randperm(len(images), generator=generator)[: steps * BATCH_SIZE]
        for index in order.split(BATCH_SIZE):
            labels = training.labels[index.numpy()]
            loss = loss_of(network, images[index], labels, words=words, generator=generator, rng=rng)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        save_state(state_file, parts, epoch + 1)
        shares = " ".join(
            f"{name} {share:.3f}" for name, share in accuracy(network, read(folder, "val"), words).items()
        )
        print(f"epoch {epoch + 1} of {epochs}, loss {loss.item():.4f}: {shares}", file=sys.stderr, flush=True)
    card = describe(folder, network, words, seed=seed, epochs=epochs)
    write(out, network, card, ("towers.safetensors", "towers.json"))
    state_file.unlink(missing_ok=True)
    return card


def loss_of(
    network: Towers,
    pixels: Tensor,
    labels: NDArray[np.uint8],
    *,
    words: Sequence[str],
    generator: torch.Generator,
    rng: np.random.Generator,
) -> Tensor:
    """Compute the sigmoid loss of a batch, whose images are perturbed, and whose captions are drawn anew.

    Args:
        network: The network.
        pixels: Images (n, 32, 32, 3), bytes.
        labels: Labels (n, attributes).
        words: The words of captions.
        generator: Source of the perturbations.
        rng: Source of the captions.

    Returns:
        The mean over images and captions ().
    """
    captions = caption(labels[:: len(labels) // CAPTIONS], rng)
    images = perturb(to_images(pixels), generator).contiguous(memory_format=torch.channels_last)
    with autocast("cpu"):
        placed = network.image(images)
    told = network.text(tokenize(captions.texts, words))
    logits = network.scale.exp() * (placed.float() @ told.T) + network.offset
    true = torch.from_numpy(captions.true_of(labels)).float()
    return functional.binary_cross_entropy_with_logits(logits, true)


def reduce(images: Tensor) -> Tensor:
    """Average the pixels of images down to 32².

    Args:
        images: Images (n, side, side, 3), bytes; their side is a multiple of 32.

    Returns:
        Images (n, 32, 32, 3), bytes.
    """
    if images.shape[1] == RESOLUTION:
        return images
    reduced = [
        functional.adaptive_avg_pool2d(part.permute(0, 3, 1, 2).float(), RESOLUTION).round().to(torch.uint8)
        for part in images.split(1000)
    ]
    return torch.cat(reduced).permute(0, 2, 3, 1).contiguous()


@torch.no_grad()
def accuracy(
    network: Towers, data: Avatars, words: Sequence[str], generator: torch.Generator | None = None
) -> dict[str, float]:
    """Compute for each attribute the share of images whose value has the caption that fits best.

    Args:
        network: The network, which is put into evaluation mode.
        data: Images and labels.
        words: The words of captions.
        generator: If given, images are perturbed first.

    Returns:
        A share in [0, 1] for each attribute.
    """
    network.eval()
    parts = [to_images(part) for part in reduce(torch.from_numpy(data.images)).split(BATCH_SIZE)]
    placed = torch.cat([network.image(one if generator is None else perturb(one, generator)) for one in parts])
    shares = {}
    for index, (name, values) in enumerate(data.attributes.items()):
        texts = network.text(tokenize([plainest(name, value) for value in values], words))
        predicted = (placed @ texts.T).argmax(dim=1)
        labels = torch.from_numpy(data.labels[:, index])
        shares[name] = float((predicted == labels)[labels != MISSING].float().mean())
    return shares


def describe(folder: Path, network: Towers, words: Sequence[str], *, seed: int, epochs: int) -> dict[str, Any]:
    """Round the network to float16, measure it on the test images, and write its card.

    Args:
        folder: Folder of the data set.
        network: The trained network, which is changed in place.
        words: The words of captions.
        seed: Seed of the training.
        epochs: Number of epochs of the training.

    Returns:
        The card: words, accuracies, the licence, the data set and the training.
    """
    test = read(folder, "test")
    round_to_half(network)
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    plain, perturbed = (
        {name: round(share, 4) for name, share in accuracy(network, test, words, generator).items()}
        for generator in (None, torch.Generator().manual_seed(seed))
    )
    weights, artwork = licence_of()
    return {
        "words": list(words),
        "accuracy": plain,
        "accuracy_spoiled": perturbed,
        "licence": {"weights": weights, "data": artwork},
        "images": {"side": RESOLUTION, "train": dataset["splits"]["train"], "test": len(test.images)},
        "training": {
            "epochs": epochs,
            "seed": seed,
            "batch": BATCH_SIZE,
            "rate": LEARNING_RATE,
            "torch": torch.__version__,
        },
        "dataset": {"styles": dataset["styles"], "versions": dataset["versions"]},
    }


def main(arguments: Sequence[str]) -> None:
    """Train, write, and print the accuracy.

    Args:
        arguments: Arguments of the command line, without its name.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of python -m recipes.avatars")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER, help="where to write; by default, into the package")
    options = parser.parse_args(arguments)
    card = train(options.data, options.out, epochs=options.epochs, seed=options.seed)
    print(json.dumps({"accuracy": card["accuracy"], "accuracy_spoiled": card["accuracy_spoiled"]}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
