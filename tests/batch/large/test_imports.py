"""What needs much is loaded when it is needed."""

from __future__ import annotations

import subprocess
import sys


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys; import napari_itaclip.batch.large.run, napari_itaclip.batch.large.tiff_source;"
        "import napari_itaclip.batch.large.zarr_source, napari_itaclip._cli.large;"
        "print(sorted({'torch', 'zarr', 'dask', 'rasterio', 'tifffile'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
