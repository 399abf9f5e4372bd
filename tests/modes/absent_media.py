"""Stands in for the speech and image libraries that mlx-omni-server imports when it starts and that
have no wheels for Linux. Put into its environment as absent_media.pth; chat needs none of them."""

import importlib.abc
import importlib.machinery
import sys
import types

ABSENT = ("misaki", "mflux", "f5_tts_mlx", "mlx_audio", "mlx_whisper", "mlx_embeddings", "mlx_vlm",
          "outlines", "outlines_core", "numba", "tiktoken", "PIL")


class Nothing:
    """Any attribute of an absent library: a class that can be inherited from and called."""

    def __init__(self, *_, **__):
        pass

    def __call__(self, *_, **__):
        return self


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__path__ = []
        module.__getattr__ = lambda name: Nothing
        return module

    def exec_module(self, module):
        pass


sys.meta_path.append(Absent())
