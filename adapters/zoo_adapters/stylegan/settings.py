"""What the files of StyleGAN generators say of their settings: the values that `StyleGANGenerator` has."""

from math import sqrt

GAIN = sqrt(2)
BLUR = (1.0, 2.0, 1.0)

# What modules that were pickled whole say.
GENFORCE_ATTRIBUTES = {
    r"(mapping\.dense|synthesis\.layer)\d+\.activate\._class": "LeakyReLU",
    r"synthesis\.output\d+\.activate\._class": "Identity",
    r"synthesis\.final_activate\._class": "Identity",
    r"(.*\.)?use_wscale": True,
    r"(.*\.)?normalize_input": True,
    r"(.*\.)?eps": 1e-8,
}
SUPPORTED = {
    "normalize_latents": True,
    "mapping_nonlinearity": "lrelu",
    "nonlinearity": "lrelu",
    "use_wscale": True,
    "use_pixel_norm": False,
    "use_instance_norm": True,
    # Lists are flattened by index; a filter that is switched off is a single value, such as None.
    "blur_filter": BLUR,
    **{f"blur_filter.{index}": tap for index, tap in enumerate(BLUR)},
}
HAMMER_SUPPORTED = {
    "final_tanh": False,
    "mapping_wscale_gain": GAIN,
    "wscale_gain": GAIN,
    "lr_mul": 1.0,
    "normalize_z": True,
}
