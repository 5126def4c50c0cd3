"""Build hook: one ``napari.yaml`` at the top, found by npe2 however the package was installed.

npe2 resolves the entry point ``napari_itaclip:napari.yaml`` by looking for the file inside the
package's own folder. A wheel simply carries it there. An editable install has no folder but the
source tree, where a symbolic link would need special rights on Windows; so installing in editable
mode lays a copy (ignored by git) beside the package's modules.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MANIFEST = "napari.yaml"
PACKAGE = "napari_itaclip"


class ManifestBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # not subscriptable at run time
    """Put the manifest into the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the manifest to a standard wheel, or copy it beside the sources when editable."""
        source = Path(self.root) / MANIFEST
        if version == "editable":
            shutil.copyfile(source, Path(self.root) / PACKAGE / MANIFEST)
        else:
            build_data["force_include"][str(source)] = f"{PACKAGE}/{MANIFEST}"
