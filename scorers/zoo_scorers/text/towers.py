"""Two small networks that place pictures and captions in one space, as CLIP does (Radford et al., ICML 2021)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_scorers.text.tokenizer import LONGEST, PADDING

RESOLUTION = 32  # height and width of the images that the network is trained on
DIM = 96  # of the common space

_WIDTHS = (24, 48, 96, 144)
_TEXT_WIDTH = 96
_HEADS = 4
_TEXT_LAYERS = 2


class Towers(nn.Module):
    """A residual network for pictures, and a transformer for captions.

    Args:
        words: Number of words that captions are made of.
    """

    def __init__(self, words: int) -> None:
        super().__init__()
        self.image = ImageTower()
        self.text = TextTower(words)
        # Scale and offset of the sigmoid loss (Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV 2023).
        self.scale = nn.Parameter(torch.tensor(2.3))  # its logarithm
        self.offset = nn.Parameter(torch.tensor(-2.0))

    def logits(self, images: Tensor, tokens: Tensor) -> Tensor:
        """Compute how well each caption fits each picture.

        Args:
            images: Images (n, 3, 32, 32) in [-1, 1].
            tokens: Captions (m, words) as `zoo_scorers.text.tokenizer.tokenize` numbers them.

        Returns:
            Logits (n, m).
        """
        cosines: Tensor = self.image(images) @ self.text(tokens).T
        return self.scale.exp() * cosines + self.offset


class ImageTower(nn.Module):
    """A stem and three stages of one residual block, then the mean over pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, _WIDTHS[0], 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(_WIDTHS[0]), nn.ReLU()
        )
        self.stages = nn.Sequential(*(ImageBlock(before, after) for before, after in pairwise(_WIDTHS)))
        self.head = nn.Linear(_WIDTHS[-1], DIM)

    def forward(self, images: Tensor) -> Tensor:
        """Place pictures.

        Args:
            images: Images (n, 3, 32, 32) in [-1, 1].

        Returns:
            Unit vectors (n, `DIM`).
        """
        maps = self.stages(self.stem(images))
        return functional.normalize(self.head(maps.mean(dim=(2, 3))), dim=1)


class ImageBlock(nn.Module):
    """Two 3 x 3 convolutions, of which the first halves the image, and a shortcut.

    Args:
        before: Number of channels of the input.
        after: Number of channels of the output.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the block.

        Args:
            maps: Feature maps (n, before, h, w).

        Returns:
            Feature maps (n, after, h / 2, w / 2).
        """
        return functional.relu(self.convolutions(maps) + self.shortcut(maps))


class TextTower(nn.Module):
    """Embeddings of words and places, transformer layers, then the mean over words.

    Args:
        words: Number of words that captions are made of.
    """

    def __init__(self, words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words + 1, _TEXT_WIDTH, padding_idx=PADDING)
        self.places = nn.Parameter(0.02 * torch.randn(LONGEST, _TEXT_WIDTH))
        self.layers = nn.ModuleList(TextLayer() for _ in range(_TEXT_LAYERS))
        self.head = nn.Linear(_TEXT_WIDTH, DIM)

    def forward(self, tokens: Tensor) -> Tensor:
        """Place captions.

        Args:
            tokens: Captions (m, words) as `zoo_scorers.text.tokenizer.tokenize` numbers them.

        Returns:
            Unit vectors (m, `DIM`).
        """
        known = tokens != PADDING
        rows = self.words(tokens) + self.places[: tokens.shape[1]]
        for layer in self.layers:
            rows = layer(rows, known)
        weights = known.to(rows) / known.sum(dim=1, keepdim=True).clamp(min=1)
        return functional.normalize(self.head((rows * weights[..., None]).sum(dim=1)), dim=1)


class TextLayer(nn.Module):
    """Attention among the words of a caption, and a two-layer network on each of them, both behind a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(_TEXT_WIDTH)
        self.queries_keys_values = nn.Linear(_TEXT_WIDTH, 3 * _TEXT_WIDTH)
        self.mix = nn.Linear(_TEXT_WIDTH, _TEXT_WIDTH)
        self.feed = nn.Sequential(
            nn.LayerNorm(_TEXT_WIDTH),
            nn.Linear(_TEXT_WIDTH, 2 * _TEXT_WIDTH),
            nn.GELU(),
            nn.Linear(2 * _TEXT_WIDTH, _TEXT_WIDTH),
        )

    def forward(self, rows: Tensor, known: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            rows: Words (m, words, width).
            known: Which of them are words (m, words), and not padding.

        Returns:
            Words of the same shape.
        """
        heads = self.queries_keys_values(self.norm(rows)).unflatten(-1, (3, _HEADS, -1)).permute(2, 0, 3, 1, 4)
        # A caption without a known word may look at its padding: a softmax over nothing is NaN.
        allowed = (known | ~known.any(dim=1, keepdim=True))[:, None, None]
        mixed = functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=allowed)
        rows = rows + self.mix(mixed.transpose(1, 2).flatten(2))
        fed: Tensor = self.feed(rows)
        return rows + fed
