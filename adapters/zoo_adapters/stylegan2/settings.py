"""What the files of StyleGAN2 generators say of their settings: the values that `StyleGAN2Generator` has."""

from zoo.nn import StyleSettings
from zoo_adapters.stylegan2.converter import ACTIVATION_GAIN, RESAMPLE_TAPS


class StyleGAN2Settings(StyleSettings):
    """What a StyleGAN2 file says beside the weights and the options."""

    together: bool = False  # whether labels are normalised together with the code


SUPPORTED = {
    "architecture": "skip",
    "normalize_latents": True,
    "mapping_nonlinearity": "lrelu",
    "nonlinearity": "lrelu",
    "activation": "lrelu",
    "use_wscale": True,
    "use_noise": True,
    # Lists are flattened by index; a filter that is switched off is a single value, such as None.
    "resample_kernel": RESAMPLE_TAPS,
    **{f"resample_kernel.{index}": tap for index, tap in enumerate(RESAMPLE_TAPS)},
}
HAMMER_SUPPORTED = {
    "architecture": "skip",
    "final_tanh": False,
    "mapping_wscale_gain": 1.0,
    "wscale_gain": 1.0,
    "lr_mul": 1.0,
    "demodulate": True,
}
# What modules that were pickled whole say.
ACTIVATION = {"LeakyReLU": {"negative_slope": 0.2}}
NVIDIA_ATTRIBUTES = {
    r"(mapping\.fc\d+|synthesis\.b\d+\.conv\d)\.activation": "lrelu",
    r"(.*\.affine|mapping\.embed)\.activation": "linear",
    r"synthesis\.b\d+\.architecture": "skip",
    r"synthesis\.b\d+\.conv\d\.use_noise": True,
}
GENFORCE_ATTRIBUTES = {
    r"(mapping\.dense|synthesis\.layer)\d+\.activate\._class": "LeakyReLU",
    r"(mapping\.dense|synthesis\.layer)\d+\.activate_scale": ACTIVATION_GAIN,
    r"synthesis\.output\d+\.activate\._class": "Identity",
    r"synthesis\.final_activate\._class": "Identity",
    r"synthesis\.layer\d+\.demodulate": True,
    r"synthesis\.output\d+\.demodulate": False,
    r"(.*\.)?use_wscale": True,
    r"(.*\.)?normalize_input": True,
    r"(.*\.)?eps": 1e-8,
    r"synthesis\.architecture": "skip",
}
ROSINALITY_ATTRIBUTES = {
    r"style\.\d+\.activation": "fused_lrelu",
    r".*\.modulation\.(activation)": None,
    r".*\.modulation\.lr_mul": 1.0,
    r".*\.activate\.negative_slope": 0.2,
    r".*\.activate\.scale": ACTIVATION_GAIN,
    r"(conv1|convs\.\d+)\.conv\.demodulate": True,
    r"(to_rgb1|to_rgbs\.\d+)\.conv\.demodulate": False,
    r".*\.conv\.eps": 1e-8,
}
