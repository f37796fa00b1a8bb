"""DiceBear avatars with known factors: data on which small generators and scorers are trained."""

from recipes.avatars.data import Avatars, read
from recipes.avatars.design import licence_of

__all__ = ["Avatars", "licence_of", "read"]
